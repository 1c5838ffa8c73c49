"""`mirage deploy update`, `status`: releases and bundles for devices that are out there."""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)

FleetFile = Annotated[
    Path, typer.Option("--fleet", metavar="FILE.toml", help="What mirage/deploy/fleet.py describes.")
]
Config = Annotated[
    Path, typer.Option("--config", metavar="FILE.toml", help="The cloud's settings: cloud/config.py.")
]


@app.command(
    epilog="Examples: mirage deploy update --fleet fleet.toml --config cloud.toml --release releases\n\n"
    "mirage deploy update --fleet fleet.toml --config cloud.toml --resume"
)
def update(
    fleet: FleetFile,
    config: Config,
    release: Annotated[
        list[str] | None,
        typer.Option(metavar="DIR|FILE.tar|ID", help="What `mirage deploy release` made; repeatable."),
    ] = None,
    bundle: Annotated[str | None, typer.Option(metavar="DIR|FILE.tar|ID", help="Likewise, a bundle.")] = None,
    wave: Annotated[str | None, typer.Option(metavar="WAVE", help="Only the devices of a wave.")] = None,
    retry: Annotated[str | None, typer.Option(metavar="DEVICE", help="Ask one that failed again.")] = None,
    *,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on after a halt; what has failed counts no more.")
    ] = False,
    halt: Annotated[bool, typer.Option("--halt", help="Ask no more devices.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be asked of whom.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Do not follow it.")] = False,
) -> None:
    """Roll a release, a bundle or both out, wave after wave, and follow that.

    The cloud carries it out: this may be interrupted, and the same command follows on.
    """
    from cloud.clock import wall_ms
    from cloud.rollouts import orders
    from mirage.deploy.rollout import command
    from mirage.errors import InputError

    orders_given = [bool(release or bundle), retry is not None, resume, halt]
    if sum(orders_given) != 1:
        raise InputError("give one of --release and --bundle, --retry, --resume, --halt")
    request = command.Request(
        fleet, config, tuple(release or ()), bundle, wave, yes, dry_run, follow=not (detach or halt)
    )
    if halt:
        command.act(request, lambda _, row: orders.halt(row, wall_ms()))
    elif resume:
        command.act(request, lambda session, row: orders.resume(session, row, wall_ms()))
    elif retry is not None:
        command.act(request, lambda session, row: orders.retry(session, row, retry, wall_ms()))
    else:
        command.update(request, _confirmed)


@app.command(epilog="Example: mirage deploy status --fleet fleet.toml --config cloud.toml --json")
def status(
    fleet: FleetFile,
    config: Config,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Say how the fleet's latest rollout is, device by device."""
    from mirage.deploy.rollout import command

    command.status(fleet, config, json=json)


def _confirmed(question: str) -> bool:
    from mirage.errors import InputError

    if not sys.stdin.isatty():
        raise InputError("nobody is there to be asked: --yes")
    return bool(typer.confirm(question))
