"""What takes the place of a damaged spool, and what becomes of that one. Files by their names only.

NAME                     the spool
NAME.damaged-TIMESTAMP   a file that could not be used any more, kept for a look; the newest KEPT
NAME.new                 what was saved of it, until it takes its place
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

KEPT = 2
_BESIDE = ("-wal", "-shm", "-journal")


def replacement_of(path: Path) -> Path:
    """Name the file in which a damaged one's replacement is made."""
    return path.with_name(f"{path.name}.new")


def set_aside(path: Path, replacement: Path) -> Path:
    """Put a complete file in a damaged one's place, and give where that one lies now.

    Killed in between, `adopt` finishes at the next start: the replacement waits under its name.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    target = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    path.rename(target)
    for suffix in _BESIDE:
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.rename(target.with_name(target.name + suffix))
    replacement.rename(path)
    _synchronise(path.parent)
    _forget_old(path)
    return target


def adopt(path: Path, *, is_whole: Callable[[Path], bool]) -> None:
    """Finish what a killed process began: see `set_aside`. Raises OSError."""
    replacement = replacement_of(path)
    if path.exists() or str(path) == ":memory:":
        return
    for suffix in _BESIDE:  # a log without its file would be played into the new one
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    if replacement.exists() and is_whole(replacement):
        replacement.rename(path)
        _synchronise(path.parent)


def _forget_old(path: Path) -> None:
    """Delete all but the newest files that were set aside: each may be as large as the spool."""
    aside = sorted(
        (each for each in path.parent.glob(f"{path.name}.damaged-*") if not each.name.endswith(_BESIDE)),
        key=lambda each: each.stat().st_mtime_ns,
    )
    for old in aside[:-KEPT]:
        for suffix in ("", *_BESIDE):
            old.with_name(old.name + suffix).unlink(missing_ok=True)


def _synchronise(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
