"""Progress on stderr, where it cannot get between a command and the reader of its JSON."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

console = Console(stderr=True)


@contextlib.contextmanager
def parts_shown(total: int) -> Iterator[Callable[[str], None]]:
    """Show a bar while the body runs; tell what it gives the name of each part that begins."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(
        *columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal
    )
    with bar:
        task = bar.add_task("", total=total)
        begun = False

        def begin(part: str) -> None:
            nonlocal begun
            bar.update(task, description=part, advance=int(begun))
            begun = True

        yield begin


@contextlib.contextmanager
def steps_shown(what: str, total: int | None) -> Iterator[Callable[[], None]]:
    """Show a bar while the body runs; call what it gives once for every finished step."""
    bar = Progress(
        SpinnerColumn(),
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


@contextlib.contextmanager
def amount_shown(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar while the body runs; tell what it gives how many more are finished."""
    columns = (SpinnerColumn(), TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda number: bar.advance(task, number)


@contextlib.contextmanager
def time_shown(what: str, seconds: float) -> Iterator[Callable[[str], None]]:
    """Show a bar that fills in so many seconds; tell what it gives what happens, as often as it may move."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    begun_s = time.monotonic()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=seconds)
        yield lambda now: bar.update(task, description=now, completed=time.monotonic() - begun_s)
