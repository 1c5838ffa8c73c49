"""Where a partition lies in a disk image: the GUID partition table, as UEFI 2.10, 5.3 has it."""

import struct
from dataclasses import dataclass
from typing import BinaryIO

SECTOR = 512
_SIGNATURE = b"EFI PART"
_MAX_ENTRIES = 1024
_ENTRY = struct.Struct("<16s16sQQQ72s")


class GptError(ValueError):
    """The image has no usable partition table."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition, in bytes from the start of the image."""

    name: str
    offset: int
    size: int


def partitions(image: BinaryIO) -> tuple[Partition, ...]:
    """Read the table of an image with sectors of 512 bytes, or raise GptError."""
    image.seek(SECTOR)
    header = image.read(92)
    if len(header) < 92 or header[:8] != _SIGNATURE:
        raise GptError("no GUID partition table")
    table_lba, count, entry_size = struct.unpack_from("<QII", header, 72)
    if count > _MAX_ENTRIES or entry_size < _ENTRY.size or entry_size > 4096:
        raise GptError(f"partition table with {count} entries of {entry_size} bytes")
    image.seek(table_lba * SECTOR)
    table = image.read(count * entry_size)
    if len(table) < count * entry_size:
        raise GptError("the partition table is cut off")
    return tuple(found for index in range(count) if (found := _partition(table, index * entry_size)))


def _partition(table: bytes, at: int) -> Partition | None:
    kind, _, first, last, _, name = _ENTRY.unpack_from(table, at)
    if kind == bytes(16):
        return None
    if last < first:
        raise GptError(f"a partition ends at sector {last}, before it begins at {first}")
    text = name.decode("utf-16-le", "replace").split("\0")[0]
    return Partition(text, first * SECTOR, (last - first + 1) * SECTOR)
