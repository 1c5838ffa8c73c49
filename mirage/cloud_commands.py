"""`mirage cloud …`: ingest, render and serve."""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The receiving side.", no_args_is_help=True, add_completion=False)


@app.callback()
def group() -> None:
    """Keep `run` a sub-command although it is the only one."""


@app.command(epilog="Example: mirage cloud run --config /etc/mirage/cloud.toml")
def run(
    config: Annotated[
        Path, typer.Option("--config", metavar="FILE.toml", help="What cloud/config.py describes.")
    ],
    *,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens.")] = False,
) -> None:
    """Ingest packets, render clips and serve API and page in one process, until SIGTERM."""
    from cloud.config import load
    from cloud.run import run as run_cloud
    from mirage.log import log_to_stderr

    log_to_stderr(verbose=verbose)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run_cloud(load(config), stop)
