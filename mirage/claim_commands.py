"""`mirage cloud claims …`: who may enrol, once."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Claims: each lets one device enrol once, with a key of its own.",
    no_args_is_help=True,
    add_completion=False,
)

Config = Annotated[
    Path, typer.Option("--config", metavar="FILE.toml", help="What cloud/config.py describes.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.command(
    epilog="Examples: mirage cloud claims create --config cloud.toml --fleet fleet.toml\n\n"
    "mirage cloud claims create --config cloud.toml --device acme/north/edge-1 --camera door"
)
def create(
    config: Config,
    fleet: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help="For each of its devices: DEVICE.claim where it says."),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="One device: of the fleet file, or else TENANT/SITE/DEVICE."),
    ] = None,
    camera: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="One of its cameras; repeatable.")
    ] = None,
    expires: Annotated[str, typer.Option(metavar="TIME", help="Good for so long: 90d, 12h, 30m.")] = "30d",
    *,
    again: Annotated[bool, typer.Option("--again", help="Replace files that are there.")] = False,
    json: Json = False,
) -> None:
    """Make claims, into the files that `mirage deploy` puts into seeds, or for one device on stdout."""
    from mirage import claims_command as command

    if fleet is None:
        command.create_one(config, device, camera or [], expires, json=json)
    else:
        command.create_for_fleet(config, fleet, device, expires, again=again)


@app.command("list", epilog="Example: mirage cloud claims list --config cloud.toml --json")
def list_(config: Config, *, json: Json = False) -> None:
    """List claims, the newest first, without their secrets."""
    from mirage import claims_command as command

    command.show(config, json=json)


@app.command(epilog="Example: mirage cloud claims revoke 4f0c9a12be77 --config cloud.toml")
def revoke(
    claim: Annotated[str, typer.Argument(metavar="ID", help="As `mirage cloud claims list` lists it.")],
    config: Config,
) -> None:
    """Take back a claim that was not used."""
    from mirage import claims_command as command

    command.revoke(config, claim)
