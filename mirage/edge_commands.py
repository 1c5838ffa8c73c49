"""`mirage edge …`: the agent on a device."""

import os
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

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
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
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
