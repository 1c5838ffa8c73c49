"""`mirage bridge …`: tells other systems what cameras see."""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Tell other systems what cameras see.", no_args_is_help=True, add_completion=False)


@app.callback()
def bridge() -> None:
    """Tell other systems what cameras see."""  # so that there may be several


@app.command(
    "home-assistant",
    epilog="Example: mirage bridge home-assistant --config examples/home-assistant/bridge.toml",
)
def home_assistant(
    config: Annotated[
        Path, typer.Option("--config", metavar="FILE.toml", help="What mirage/bridge/settings.py describes.")
    ],
    *,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take back all devices of this bridge, and end.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens.")] = False,
) -> None:
    """Show devices and cameras in Home Assistant: captions, alerts, pictures, until SIGTERM.

    It listens as a bridge (mirage cloud acl --bridge NAME=TENANT) and speaks MQTT discovery.
    """
    from mirage.bridge.run import Bridge
    from mirage.bridge.settings import load
    from mirage.log import log_to_stderr
    from mirage.output import print_line

    log_to_stderr(verbose=verbose)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    running = Bridge(load(config))
    try:
        if remove:
            count = running.remove()
            print_line(f"{count} device{'' if count == 1 else 's'} taken back")
        else:
            running.run(stop)
    finally:
        running.close()
