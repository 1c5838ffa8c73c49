"""`mirage cloud …`: ingest, render and serve, in one process or one role each."""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The receiving side.", no_args_is_help=True, add_completion=False)

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
    """Only take packets from the broker into the store."""
    _run(config, {"ingest"}, verbose=verbose)


@app.command(epilog="Example: mirage cloud render --config /etc/mirage/cloud.toml")
def render(config: Config, *, verbose: Verbose = False) -> None:
    """Only turn jobs into clips; one such process per store."""
    _run(config, {"render"}, verbose=verbose)


@app.command(epilog="Example: mirage cloud serve --config /etc/mirage/cloud.toml")
def serve(config: Config, *, verbose: Verbose = False) -> None:
    """Only serve API and page."""
    _run(config, {"serve"}, verbose=verbose)


def _run(config: Path, roles: set[str], *, verbose: bool) -> None:
    from cloud.config import load
    from cloud.run import run as run_roles
    from mirage.log import log_to_stderr

    log_to_stderr(verbose=verbose)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run_roles(load(config), stop, roles=frozenset(roles))
