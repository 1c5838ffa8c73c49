"""`mirage deploy provision`: a board that already runs a system."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Example: mirage deploy provision --fleet fleet.toml --device north-gate --host admin@10.0.0.21"
)
def provision(
    fleet: Annotated[
        Path, typer.Option("--fleet", metavar="FILE.toml", help="What mirage/deploy/fleet.py describes.")
    ],
    device: Annotated[str, typer.Option(metavar="ID", help="Which device it becomes.")],
    host: Annotated[str, typer.Option(metavar="USER@HOST", help="Where ssh finds it; root, or with sudo.")],
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Of its ssh.", show_default="ssh's")
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print every command, change nothing.")] = False,
) -> None:
    """Put release, bundle, units and settings onto a board that runs Debian, Ubuntu or JetPack, over ssh.

    What is there stays; whatever cut it off, the same command goes on.
    """
    from mirage.deploy.fleet import load
    from mirage.deploy.provision import command
    from mirage.deploy.provision.remote import Host
    from mirage.output import print_line

    known = load(fleet)
    job = command.prepare(known, fleet.resolve().parent, known.find(device), Host(host, port))
    if dry_run:
        for line in command.dry_run(job):
            print_line(line)
        return
    board = command.provision(job, print_line, _bar)
    done = "it is enrolled" if board.is_enrolled else "it enrols now: journalctl -u mirage-enrol"
    print_line(f"{host}: is {device}; {done}")


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    from mirage.progress import amount_shown

    with amount_shown(what, total) as done:
        yield done
