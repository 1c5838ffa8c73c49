"""`mirage cloud jobs …`: the queue of what is rendered."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from mirage.errors import InputError

app = typer.Typer(
    help="List jobs; try those that failed again; cancel those that wait.", add_completion=False
)


class State(str, Enum):
    """What can become of a job; `dead` is the dead-letter list."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"
    LATE = "late"


Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE.toml", help="What cloud/config.py describes.")
]
JobId = Annotated[str, typer.Argument(metavar="ID", help="As `mirage cloud jobs` lists it: SEGMENT-TURN.")]


@app.callback(
    invoke_without_command=True,
    epilog="Example: mirage cloud jobs --config /etc/mirage/cloud.toml --state dead",
)
def show(
    context: typer.Context,
    config: Config = None,
    state: Annotated[
        list[State] | None, typer.Option(help="Only these; repeatable.", show_default="all")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """List jobs, the last changed first: queued, running, done, dead (failed for good), cancelled, late."""
    context.obj = config
    if context.invoked_subcommand is None:
        from mirage import jobs_command as command

        command.show(_given(context, None), [each.value for each in state or ()], limit, json=json)


@app.command(epilog="Example: mirage cloud jobs retry 4711-1 --config /etc/mirage/cloud.toml")
def retry(context: typer.Context, job: JobId, config: Config = None) -> None:
    """Queue a job again that is closed, as another turn."""
    from mirage import jobs_command as command

    command.retry(_given(context, config), job)


@app.command(epilog="Example: mirage cloud jobs cancel 4711-1 --config /etc/mirage/cloud.toml")
def cancel(context: typer.Context, job: JobId, config: Config = None) -> None:
    """Withdraw a job that waits, or runs: then it ends within a step of its renderer."""
    from mirage import jobs_command as command

    command.cancel(_given(context, config), job)


def _given(context: typer.Context, config: Path | None) -> Path:
    """Give the settings file, named before the sub-command or after it."""
    found = config or context.obj
    if not isinstance(found, Path):
        raise InputError("--config: is missing, name the cloud's settings")
    return found
