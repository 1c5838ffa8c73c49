"""`mirage edge …`: the agent on a device."""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edge.enrolment import Outcome

app = typer.Typer(help="The agent that runs on a device.", no_args_is_help=True, add_completion=False)

Config = Annotated[Path, typer.Option("--config", metavar="FILE.toml", help="What edge/config.py describes.")]


def _credentials() -> Path | None:
    """Where systemd hands over keys, if it does."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(folder) if folder else None


@app.command(epilog="Example: mirage edge run --config /etc/mirage/edge.toml")
def run(
    config: Config,
    drain_timeout: Annotated[
        float, typer.Option(min=0, help="Seconds that the end may wait for the cloud's receipts.")
    ] = 30.0,
    *,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print a summary at the end.")] = False,
) -> None:
    """Describe cameras and publish packets, until SIGTERM or the end of every file."""
    from edge import agent
    from edge.config import load
    from edge.watchdog import Manager
    from mirage.log import log_to_stderr
    from mirage.output import as_json, print_line

    log_to_stderr(verbose=verbose)
    stop = _stopped_by_signals()
    manager = Manager.from_environment(os.environ, os.getpid())
    summary = agent.run(load(config), stop, drain_timeout, _credentials(), manager)
    if json:
        print_line(as_json(summary))


@app.command(epilog="Example: mirage edge doctor --config /etc/mirage/edge.toml")
def doctor(config: Config) -> None:
    """Say what works on this device and what does not; exit 1 where something does not."""
    from edge.config import load
    from edge.doctor import examine
    from mirage.output import print_line

    findings = examine(load(config), _credentials())
    for finding in findings:
        print_line(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name}: {finding.detail}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


Enrolment = Annotated[
    Path, typer.Option("--config", metavar="FILE.toml", help="What edge/enrolment_config.py describes.")
]


@app.command(epilog="Example: mirage edge enrol --config /etc/mirage/enrolment.toml")
def enrol(
    config: Enrolment, *, verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False
) -> None:
    """Make the device's key, if there is none, and change its claim for a certificate; wait for the cloud.

    Done before? Then nothing is done. Exit 2: the cloud refuses, and trying again does not help.
    """
    from edge.enrolment import Enroller
    from edge.enrolment_config import load
    from mirage.log import log_to_stderr

    log_to_stderr(verbose=verbose)
    _print_outcome(Enroller(load(config)).enrol(_stopped_by_signals()))


@app.command(epilog="Example: sudo mirage edge tpm --tcti device:/dev/tpmrm0")
def tpm(
    tcti: Annotated[
        str, typer.Option(metavar="TCTI", help="Where the TPM is, as tpm2-tools say it.")
    ] = "device:/dev/tpmrm0",
) -> None:
    """Say how the fleet file names this device's TPM, with tpm2-tools. Nothing in the TPM is changed."""
    from edge.tpm import fingerprint, opened
    from mirage.output import print_line

    with opened(tcti) as chip:
        print_line(f'tpm = "{fingerprint(chip.ek)}"')


@app.command(epilog="Example: mirage edge renew --config /etc/mirage/enrolment.toml")
def renew(
    config: Enrolment,
    *,
    now: Annotated[bool, typer.Option("--now", help="Ask, though it may not be time yet.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False,
) -> None:
    """Get the next certificate when two thirds of this one's life are over; the agent takes it up itself."""
    from edge.enrolment import Enroller
    from edge.enrolment_config import load
    from mirage.log import log_to_stderr

    log_to_stderr(verbose=verbose)
    _print_outcome(Enroller(load(config)).renew(_stopped_by_signals(), at_once=now))


@app.command(epilog="Example: mirage edge update --config /etc/mirage/update.toml")
def update(
    config: Annotated[
        Path, typer.Option("--config", metavar="FILE.toml", help="What edge/update/settings.py describes.")
    ],
    *,
    boot: Annotated[
        bool, typer.Option("--boot", help="Only finish or undo what was cut off; before the agent starts.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False,
) -> None:
    """Follow the cloud's orders: fetch a release or bundle, try it, keep it or go back. For root.

    Nothing is ordered? Then nothing is done. Cut off anywhere, it goes on at the next start.
    """
    from edge.update.machine import Device
    from edge.update.settings import load
    from edge.update.updater import Updater
    from mirage.log import log_to_stderr

    log_to_stderr(verbose=verbose)
    settings = load(config)
    updater = Updater(settings, Device(_stopped_by_signals()))
    if boot:
        updater.boot()
    elif updater.run():
        program = str(Path(settings.root, "committed/bin/mirage"))
        os.execv(program, [program, *sys.argv[1:]])  # noqa: S606 (what was verified, of root's)


def _print_outcome(outcome: "Outcome | None") -> None:
    from mirage.output import print_line

    if outcome is None:
        raise typer.Exit(1)
    what = "new" if outcome.is_new else "is there"
    print_line(f"{outcome.certificate}: {what}, valid until {outcome.until:%Y-%m-%d %H:%M} UTC")


def _stopped_by_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
