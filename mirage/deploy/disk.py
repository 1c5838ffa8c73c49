"""A disk of this machine: what it is, and whether it may be overwritten.

Nothing is written to a disk that has a file system mounted, that carries this machine's system, that
something else holds (RAID, LVM, encryption, swap), that is read-only, or that is only a partition.
"""

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mirage.deploy.tools import tool
from mirage.output import printable

_COLUMNS = "NAME,KNAME,PATH,TYPE,SIZE,MODEL,SERIAL,TRAN,RO,MOUNTPOINTS"
_WHOLE = frozenset({"disk", "loop"})
_SYSTEM = frozenset({"/", "/boot", "/boot/efi", "/usr", "/var", "[SWAP]"})


class DiskError(ValueError):
    """The disk may not be written; the message names it and says why."""


class _Entry(msgspec.Struct):
    """What lsblk says of a disk or a part of it."""

    name: str
    path: str
    type: str
    size: int
    model: str | None = None
    serial: str | None = None
    tran: str | None = None
    ro: bool = False
    mountpoints: list[str | None] = []
    children: list["_Entry"] = []


class _Listing(msgspec.Struct):
    blockdevices: list[_Entry]


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk, `bytes` large; `uses` say what stands against writing to it."""

    path: str
    model: str
    serial: str
    bytes: int
    transport: str
    uses: tuple[str, ...]

    @property
    def name_to_confirm(self) -> str:
        """Say what must be typed: the serial, or where there is none (loop devices), name and size."""
        return self.serial or f"{Path(self.path).name}-{self.bytes}"

    def __str__(self) -> str:
        how = f", {self.transport}" if self.transport else ""
        size = f"{self.bytes / 1e9:.1f} GB ({self.bytes} bytes)"
        return f"{self.path}: {self.model or 'no model'}, {size}, serial {self.serial or 'none'}{how}"

    def check_free(self, needed_bytes: int) -> None:
        """Raise DiskError where it may not be written, or is too small."""
        if self.uses:
            raise DiskError(f"{self.path}: {'; '.join(self.uses)}: it is left alone")
        if self.bytes < needed_bytes:
            raise DiskError(f"{self.path}: has {self.bytes} bytes, {needed_bytes} are needed")

    def check_confirmed(self, name: str) -> None:
        """Raise DiskError where this is not the disk that was meant."""
        if name != self.name_to_confirm:
            raise DiskError(f"{self.path}: its serial is {self.name_to_confirm}, not {name!r}")


def find_disk(path: Path) -> Disk:
    """Look at one disk, or raise DiskError. Needs lsblk."""
    command = [tool("lsblk"), "--json", "--bytes", "--output", _COLUMNS, "--", str(path.resolve())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        said = (done.stderr or "").strip()
        raise DiskError(f"{path}: {said.removeprefix(f'lsblk: {path}: ') or 'lsblk knows no such disk'}")
    return read_listing(done.stdout, path)


def read_listing(listing: str, path: Path) -> Disk:
    """Understand what lsblk said about a disk, or raise DiskError."""
    try:
        entries = msgspec.convert(json.loads(listing), _Listing).blockdevices
    except ValueError as error:
        raise DiskError(f"{path}: lsblk is not understood: {error}") from error
    if len(entries) != 1:
        raise DiskError(f"{path}: lsblk names {len(entries)} disks, not one")
    entry = entries[0]
    return Disk(
        entry.path,
        printable((entry.model or "").strip()),
        printable((entry.serial or "").strip()),
        entry.size,
        entry.tran or "",
        tuple(_uses(entry)),
    )


def _uses(entry: _Entry) -> Iterator[str]:
    if entry.type not in _WHOLE:
        yield f"is a {entry.type}, not a whole disk"
    if entry.ro:
        yield "is read-only"
    for part in _all(entry):
        mounted = [place for place in part.mountpoints if place]
        if _SYSTEM & set(mounted):
            yield f"carries this machine's system ({part.name} is {', '.join(mounted)})"
        elif mounted:
            yield f"{part.name} is mounted on {', '.join(mounted)}"
        if part is not entry and part.type != "part":
            yield f"{part.name} ({part.type}) holds it"


def _all(entry: _Entry) -> Sequence[_Entry]:
    found = [entry]
    for each in found:  # grows while it is read
        found += each.children
    return found
