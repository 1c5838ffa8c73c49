"""Results: whole files or none, and JSON on stdout."""

import contextlib
import os
import sys
from datetime import datetime, timezone
from pathlib import Path

import msgspec
from rich.console import Console, RenderableType

from mirage.errors import InputError, OutputError

_PIPE_COLUMNS = 120
_C1 = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}  # JSON itself escapes those below 0x20 only


def write_whole(path: Path, data: bytes) -> None:
    """Write under a temporary name, then rename. Raises OutputError and leaves nothing behind."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    make_parent(path)
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise OutputError(f"{path}: {error.strerror or error}") from error


def time_text(time_ms: int | None) -> str:
    """Give a time as people read it, in UTC; nothing for none."""
    return (
        ""
        if time_ms is None
        else f"{datetime.fromtimestamp(time_ms / 1000, timezone.utc):%Y-%m-%d %H:%M:%S}Z"
    )


def check_target(path: Path, source: Path) -> None:
    """Refuse to replace what is no regular file, or what is being read. Raises InputError."""
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: is {'a folder' if path.is_dir() else 'no regular file'}, name a file")
    if path.exists() and source.exists() and path.samefile(source):
        raise InputError(f"{path}: would overwrite what is read")


def make_parent(path: Path) -> None:
    """Make the folder of a result, or raise OutputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent}: {error.strerror}") from error


def read_input(path: Path) -> bytes:
    """Read the whole file. Raises InputError naming it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


def as_json(document: object) -> str:
    """One JSON object on one line, from dataclasses, mappings and numbers. It commands no terminal."""
    return msgspec.json.encode(document).decode().translate(_C1)


def printable(text: str) -> str:
    """Put a sign in place of what could command a terminal."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def print_line(line: str) -> None:
    """Print to stdout and flush, so that a reader who left early is noticed here. Raises BrokenPipeError."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def print_tables(*parts: RenderableType) -> None:
    """Print lines and tables for a person; a pipe gets lines long enough for them. Raises BrokenPipeError."""
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PIPE_COLUMNS)
    for part in parts:
        console.print(part, markup=False)
    sys.stdout.flush()
