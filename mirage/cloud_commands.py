"""`mirage cloud …`: ingest, render and serve, in one process or one role each; and who may take part."""

import gc
import os
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from mirage.alert_commands import app as alerts
from mirage.anchor_commands import app as anchors
from mirage.authority_commands import app as authority
from mirage.claim_commands import app as claims
from mirage.job_commands import app as jobs
from mirage.provenance_commands import app as provenance_keys
from mirage.provenance_commands import compare, verify
from mirage.token_commands import app as tokens

app = typer.Typer(help="The receiving side.", no_args_is_help=True, add_completion=False)
app.add_typer(authority, name="ca")
app.add_typer(alerts, name="alerts")
app.add_typer(anchors, name="anchors")
app.add_typer(claims, name="claims")
app.add_typer(jobs, name="jobs")
app.add_typer(provenance_keys, name="provenance-key")
app.add_typer(tokens, name="tokens")

Config = Annotated[
    Path, typer.Option("--config", metavar="FILE.toml", help="What cloud/config.py describes.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens.")]
MetricsPort = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Where Prometheus reads this process.", show_default="the settings'"),
]

Cloud = Annotated[
    list[str], typer.Option(metavar="NAME", help="An ingest process, user cloud.NAME; repeatable.")
]
Subscriber = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=TENANT", help="Reads the events of a tenant, as subscriber.NAME; repeatable."),
]
Monitor = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Reads $SYS, as user monitor.NAME; repeatable.")
]
Bridge = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=TENANT", help="Reads events, states and births of a tenant, as bridge.NAME; repeatable."
    ),
]


@app.command(epilog="Example: mirage cloud run --config /etc/mirage/cloud.toml")
def run(config: Config, *, metrics_port: MetricsPort = None, verbose: Verbose = False) -> None:
    """Ingest packets, render clips and serve API and page in one process, until SIGTERM.

    Where the settings have a section enrolment, devices enrol here too.
    """
    _run(config, {"ingest", "render", "serve"}, verbose=verbose, metrics_port=metrics_port, whole=True)


@app.command(epilog="Example: mirage cloud ingest --config /etc/mirage/cloud.toml")
def ingest(config: Config, *, metrics_port: MetricsPort = None, verbose: Verbose = False) -> None:
    """Only take packets from the broker into the store, and derive what they say."""
    _run(config, {"ingest"}, verbose=verbose, metrics_port=metrics_port)


@app.command(epilog="Example: mirage cloud derive --config /etc/mirage/cloud.toml")
def derive(config: Config, *, metrics_port: MetricsPort = None, verbose: Verbose = False) -> None:
    """Only derive what packets say, beside an ingest that has no time for it; as many as needed."""
    _run(config, {"derive"}, verbose=verbose, metrics_port=metrics_port)


@app.command(epilog="Example: mirage cloud render --config /etc/mirage/cloud.toml")
def render(config: Config, *, metrics_port: MetricsPort = None, verbose: Verbose = False) -> None:
    """Only turn jobs into clips; as many processes as there are machines for it."""
    _run(config, {"render"}, verbose=verbose, metrics_port=metrics_port)


@app.command(epilog="Example: mirage cloud serve --config /etc/mirage/cloud.toml")
def serve(config: Config, *, metrics_port: MetricsPort = None, verbose: Verbose = False) -> None:
    """Only serve API and page."""
    _run(config, {"serve"}, verbose=verbose, metrics_port=metrics_port)


@app.command(epilog="Example: mirage cloud registrar --config /etc/mirage/cloud.toml")
def registrar(config: Config, *, verbose: Verbose = False) -> None:
    """Only change devices' claims for certificates, and renew them, where the authority's key is."""
    _run(config, {"enrol"}, verbose=verbose)


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
    """Let a device speak no more; `mirage cloud broker-sync` tells the broker.

    A certificate that was not noted here is the authority's to revoke: mirage cloud ca revoke.
    """
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


@app.command(epilog="Example: mirage cloud settle --config cloud.toml edge-1")
def settle(
    device: Annotated[str, typer.Argument(metavar="ID", help="As `mirage cloud devices` lists it.")],
    config: Config,
) -> None:
    """Forget the alarms of a device: you have found the copy, or know that there is none."""
    from mirage import enrolment as command

    command.settle(config, device)


@app.command(epilog="Example: mirage cloud prune --config /etc/mirage/cloud.toml --dry-run")
def prune(
    config: Config,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Remove what is over the limits of retention, and objects that no clip names; an ingest does so, too."""
    from mirage import prune_command as command

    command.prune(config, dry_run=dry_run, json=json)


@app.command(epilog="Example: mirage cloud acl --config cloud.toml -o acl --subscriber viewer=acme")
def acl(
    config: Config,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Replaced as a whole.")],
    cloud: Cloud = ["main"],  # noqa: B006 (typer copies it)
    subscriber: Subscriber = None,
    monitor: Monitor = None,
    bridge: Bridge = None,
) -> None:
    """Write Mosquitto's access list: exact lines for each enrolled device, and these roles."""
    from mirage import enrolment as command

    command.write_acl(config, output, command.Roles.of(cloud, subscriber, monitor, bridge))


@app.command(epilog="Example: mirage cloud crl --config cloud.toml -o /etc/mosquitto/mirage/crl.pem")
def crl(
    config: Config,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Replaced as a whole.")],
) -> None:
    """Write the list of revoked certificates, signed by the authority that enrolment.ca names."""
    from mirage import broker_sync as command

    command.write_crl(config, output)


@app.command(
    "broker-sync",
    epilog="Example: mirage cloud broker-sync --config cloud.toml --acl /etc/mosquitto/mirage/acl "
    "--crl /etc/mosquitto/mirage/crl.pem --reload-pid /run/mosquitto/mosquitto.pid",
)
def broker_sync(
    config: Config,
    acl: Annotated[Path, typer.Option(metavar="FILE", help="The access list; replaced as a whole.")],
    crl: Annotated[Path, typer.Option(metavar="FILE", help="The list of revocations; replaced as a whole.")],
    cloud: Cloud = ["main"],  # noqa: B006 (typer copies it)
    subscriber: Subscriber = None,
    monitor: Monitor = None,
    bridge: Bridge = None,
    reload_pid: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Holds Mosquitto's process number: it gets a SIGHUP."),
    ] = None,
    reload_command: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="Run instead, without a shell.")
    ] = None,
    every: Annotated[
        float, typer.Option(min=0.1, max=3600, metavar="S", help="Between looks into the register.")
    ] = 5.0,
    metrics_port: MetricsPort = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="Do it once and end.")] = False,
    verbose: Verbose = False,
) -> None:
    """Keep the broker's lists as the register is, until SIGTERM: new devices get in, revoked ones do not."""
    from mirage import broker_sync as command
    from mirage.enrolment import Roles
    from mirage.log import log_to_stderr

    log_to_stderr(verbose=verbose)
    wanted = command.Wanted(acl, crl, Roles.of(cloud, subscriber, monitor, bridge))
    reload = command.reloader(reload_pid, reload_command)
    pace = command.Pace(None if once else every, metrics_port)
    command.keep(config, wanted, reload, pace, _stopped_by_signals())


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
    verb: Annotated[str, typer.Argument(help="ping, keyframe, set-policy, set-release or set-bundle.")],
    pairs: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Arguments.")] = None,
    *,
    config: Config,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=86_400, metavar="S", help="Refused by the device after that.")
    ] = 30.0,
) -> None:
    """Ask a device for something and wait for its answer. An ingest must run.

    What set-policy sets stays, over restarts of the device, too; reset=true goes back to its own settings.
    """
    from mirage.device_command import command as ask

    ask(config, device, verb, pairs or [], timeout)


app.command(epilog="Example: mirage cloud verify gate.mp4 --key provenance.pub")(verify)
app.command(epilog="Example: mirage cloud compare --config /etc/mirage/cloud.toml --count 8")(compare)


def _run(
    config: Path, roles: set[str], *, verbose: bool, metrics_port: int | None = None, whole: bool = False
) -> None:
    gc.disable()  # what is imported stays: there is nothing to look for
    from cloud.config import load
    from cloud.run import run as run_roles
    from mirage.log import log_to_stderr

    gc.freeze()
    gc.enable()
    log_to_stderr(verbose=verbose)
    stop = _stopped_by_signals()
    settings = load(config)
    if whole and settings.enrolment is not None:
        roles = roles | {"enrol"}
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    run_roles(settings, stop, roles=frozenset(roles), credentials=credentials, metrics_port=metrics_port)


def _stopped_by_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
