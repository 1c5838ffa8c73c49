"""`mirage cloud …`: ingest, render and serve, in one process or one role each; and who may take part."""

import os
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from mirage.authority_commands import app as authority
from mirage.job_commands import app as jobs

app = typer.Typer(help="The receiving side.", no_args_is_help=True, add_completion=False)
app.add_typer(authority, name="ca")
app.add_typer(jobs, name="jobs")

Config = Annotated[
    Path, typer.Option("--config", metavar="FILE.toml", help="What cloud/config.py describes.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens.")]


@app.command(epilog="Example: mirage cloud run --config /etc/mirage/cloud.toml")
def run(config: Config, *, verbose: Verbose = False) -> None:
    """Ingest packets, render clips and serve API and page in one process, until SIGTERM."""
    _run(config, {"ingest", "render", "serve"}, verbose=verbose)


@app.command(epilog="Example: mirage cloud ingest --config /etc/mirage/cloud.toml")
def ingest(config: Config, *, verbose: Verbose = False) -> None:
    """Only take packets from the broker into the store, and derive what they say."""
    _run(config, {"ingest"}, verbose=verbose)


@app.command(epilog="Example: mirage cloud derive --config /etc/mirage/cloud.toml")
def derive(config: Config, *, verbose: Verbose = False) -> None:
    """Only derive what packets say, beside an ingest that has no time for it; as many as needed."""
    _run(config, {"derive"}, verbose=verbose)


@app.command(epilog="Example: mirage cloud render --config /etc/mirage/cloud.toml")
def render(config: Config, *, verbose: Verbose = False) -> None:
    """Only turn jobs into clips; as many processes as there are machines for it."""
    _run(config, {"render"}, verbose=verbose)


@app.command(epilog="Example: mirage cloud serve --config /etc/mirage/cloud.toml")
def serve(config: Config, *, verbose: Verbose = False) -> None:
    """Only serve API and page."""
    _run(config, {"serve"}, verbose=verbose)


@app.command(epilog="Example: mirage cloud enrol --config cloud.toml edge-1.pem --camera door --camera yard")
def enrol(
    certificate: Annotated[
        Path,
        typer.Argument(metavar="FILE.pem", help="The device's certificate, or its signed request for one."),
    ],
    config: Config,
    camera: Annotated[list[str], typer.Option(metavar="NAME", help="One of its cameras; repeatable.")],
    *,
    again: Annotated[
        bool, typer.Option("--again", help="Take a new key, or let a revoked device come back.")
    ] = False,
) -> None:
    """Let a device speak: with the key of this file, for these cameras. You vouch for the file."""
    from mirage import enrolment as command

    command.enrol(config, certificate, camera, again=again)


@app.command(epilog="Example: mirage cloud revoke --config cloud.toml edge-1")
def revoke(
    device: Annotated[str, typer.Argument(metavar="ID", help="As `mirage cloud devices` lists it.")],
    config: Config,
) -> None:
    """Let a device speak no more. Its certificate is the authority's to revoke: mirage cloud ca revoke."""
    from mirage import enrolment as command

    command.revoke(config, device)


@app.command(epilog="Example: mirage cloud devices --config cloud.toml --json")
def devices(
    config: Config,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """List who is enrolled, and who was."""
    from mirage import enrolment as command

    command.list_devices(config, json=json)


@app.command(epilog="Example: mirage cloud acl --config cloud.toml -o acl --subscriber viewer=acme")
def acl(
    config: Config,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Replaced as a whole.")],
    cloud: Annotated[
        list[str], typer.Option(metavar="NAME", help="An ingest process, user cloud.NAME; repeatable.")
    ] = ["main"],  # noqa: B006 (typer copies it)
    subscriber: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=TENANT", help="Reads the events of a tenant, as subscriber.NAME; repeatable."
        ),
    ] = None,
    monitor: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Reads $SYS, as user monitor.NAME; repeatable."),
    ] = None,
) -> None:
    """Write Mosquitto's access list: exact lines for each enrolled device, and these roles."""
    from mirage import enrolment as command

    command.write_acl(config, output, cloud, subscriber or [], monitor or [])


@app.command(epilog="Example: mirage cloud keys -o /etc/mirage")
def keys(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where they go.")],
) -> None:
    """Make the key that devices seal for: cloud.key, which stays secret, and cloud.pub, which they get."""
    from mirage import enrolment as command

    command.make_keys(output)


@app.command(epilog="Example: mirage cloud command --config cloud.toml acme/north/edge-1 ping")
def command(
    device: Annotated[str, typer.Argument(metavar="TENANT/SITE/DEVICE", help="Who is asked.")],
    verb: Annotated[str, typer.Argument(help="ping, keyframe, set-policy or set-bundle.")],
    pairs: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Arguments.")] = None,
    *,
    config: Config,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=86_400, metavar="S", help="Refused by the device after that.")
    ] = 30.0,
) -> None:
    """Ask a device for something and wait for its answer. An ingest must run."""
    from mirage.device_command import command as ask

    ask(config, device, verb, pairs or [], timeout)


def _run(config: Path, roles: set[str], *, verbose: bool) -> None:
    from cloud.config import load
    from cloud.run import run as run_roles
    from mirage.log import log_to_stderr

    log_to_stderr(verbose=verbose)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    run_roles(load(config), stop, roles=frozenset(roles), credentials=credentials)
