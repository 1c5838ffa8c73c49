"""What the agent asks of root's updater, and what it swears: files in a folder that is the agent's.

wanted.json    {"agent": {"id", "order"}, "bundle": {...}}   the newest order of each kind
healthy.json   {"trial", "release", "bundle", ...}           something of this very process is in the cloud

Root reads them as what a stranger wrote: no link is followed, nothing is waited for, little is read.
"""

import os
import stat
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from edge.identity_files import write_durably
from wire.documents import Hex16

WANTED, HEALTHY = "wanted.json", "healthy.json"
MAX_BYTES = 4096

Kind = Literal["agent", "bundle"]
_Wish = TypeVar("_Wish", "Wanted", "Health")


class Order(Struct, frozen=True):
    """A release, and which command wanted it: what is wanted anew is tried anew."""

    id: Hex16
    order: Hex16


class Wanted(Struct, frozen=True, omit_defaults=True):
    """The newest orders."""

    agent: Order | None = None
    bundle: Order | None = None


class Health(Struct, frozen=True):
    """That a process works: of which trial, release and bundle, boot of the kernel, and which process.

    `started` is when the kernel started `pid`, in its own ticks: numbers of processes come again.
    """

    trial: Hex16
    release: Hex16 | None
    bundle: Hex16 | None
    bundle_sha256: Hex16
    boot_id: Annotated[str, Meta(max_length=64)]
    pid: int
    started: int


def write(path: Path, wish: "Wanted | Health") -> None:
    """Write a wish whole, or not at all. Raises OSError."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    write_durably(path, msgspec.json.encode(wish), 0o640)


def read(path: Path, kind: type[_Wish]) -> _Wish | None:
    """Read a wish; None where there is none, or something else lies there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return msgspec.json.decode(os.read(descriptor, MAX_BYTES), type=kind)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    finally:
        os.close(descriptor)
