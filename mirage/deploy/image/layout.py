"""Partitions of the image, and the table that says where they lie (UEFI 2.10, 5.3; gpt.py reads it).

    protective MBR | table | esp (vfat) | cidata (vfat) | root (ext4), grows at the first boot | table

Each partition begins at a whole MiB. Nothing is drawn by chance: ids come from the caller.
"""

import binascii
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from mirage.deploy.boards import Arch
from mirage.deploy.gpt import SECTOR

MIB = 2**20
ENTRIES = 128
ESP = UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
DATA = UUID("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7")
ROOT: dict[Arch, UUID] = {  # uapi-group.org/specifications/specs/discoverable_partitions_specification
    "amd64": UUID("4f68bce3-e8cd-4db1-96e7-fbcaf984b709"),
    "arm64": UUID("b921b045-1df0-41c3-af44-4c6f280d3fae"),
}

_ENTRY = struct.Struct("<16s16sQQQ72s")
_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
_TABLE_SECTORS = ENTRIES * _ENTRY.size // SECTOR


@dataclass(frozen=True, slots=True)
class Part:
    """One partition, `size` bytes, a multiple of a MiB."""

    name: str
    kind: UUID
    id: UUID
    size: int

    def __post_init__(self) -> None:
        if self.size <= 0 or self.size % MIB:
            raise ValueError(f"partition {self.name}: {self.size} bytes are no whole MiB")


@dataclass(frozen=True, slots=True)
class Layout:
    """A disk, and what lies where on it."""

    id: UUID
    parts: tuple[Part, ...]

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where each partition begins, in bytes."""
        found, at = [], MIB
        for part in self.parts:
            found.append(at)
            at += part.size
        return tuple(found)

    @property
    def size(self) -> int:
        """Bytes of the whole disk; the last MiB holds the copy of the table."""
        return MIB + sum(part.size for part in self.parts) + MIB

    def table(self) -> bytes:
        """Give what lies at the start of the disk."""
        entries = self._entries()
        return _protective(self.size // SECTOR) + self._header(1, entries) + entries

    def copy(self) -> bytes:
        """Give what lies at the very end of the disk."""
        entries = self._entries()
        return entries + self._header(self.size // SECTOR - 1, entries)

    def _entries(self) -> bytes:
        found = bytearray()
        for part, at in zip(self.parts, self.offsets, strict=True):
            first, last = at // SECTOR, (at + part.size) // SECTOR - 1
            name = part.name.encode("utf-16-le")
            found += _ENTRY.pack(part.kind.bytes_le, part.id.bytes_le, first, last, 0, name)
        return bytes(found.ljust(ENTRIES * _ENTRY.size, b"\0"))

    def _header(self, at: int, entries: bytes) -> bytes:
        last = self.size // SECTOR - 1
        table = 2 if at == 1 else last - _TABLE_SECTORS
        usable = 2 + _TABLE_SECTORS, last - _TABLE_SECTORS - 1
        fields = (last if at == 1 else 1, *usable, self.id.bytes_le, table, ENTRIES, _ENTRY.size)
        sums = binascii.crc32(entries)
        blank = _HEADER.pack(b"EFI PART", 0x10000, _HEADER.size, 0, 0, at, *fields, sums)
        own = binascii.crc32(blank)
        header = _HEADER.pack(b"EFI PART", 0x10000, _HEADER.size, own, 0, at, *fields, sums)
        return header.ljust(SECTOR, b"\0")


def whole_mib(size: int) -> int:
    """Round up."""
    return -(-size // MIB) * MIB


def total(sizes: Sequence[int]) -> int:
    """Say how large a disk with partitions of these sizes is."""
    return 2 * MIB + sum(map(whole_mib, sizes))


def _protective(sectors: int) -> bytes:
    """One partition of type 0xee over everything, for programs that know only the MBR."""
    entry = struct.pack(
        "<B3sB3sII", 0, b"\x00\x02\x00", 0xEE, b"\xff\xff\xff", 1, min(sectors - 1, 0xFFFF_FFFF)
    )
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"
