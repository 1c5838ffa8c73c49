"""Writes a payload to a disk, goes on after an interruption, and reads back what is on it.

    write 64 MiB, fsync, note how far --.
          ^----------------------------'  an interrupted run goes on at the note
    drop what the kernel has cached, read everything, compare SHA-256

The note is of one disk (by serial) and one payload; any other starts anew. A mismatch removes it.
"""

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mirage.deploy.disk import Disk, DiskError
from mirage.deploy.payload import BLOCK, Payload

NOTE_EVERY = 64 * 2**20  # a multiple of BLOCK
_BLKFLSBUF = 0x1261  # linux/fs.h: write back and drop the cache of a block device

Progress = Callable[[str, int, int], None]  # what is done, bytes so far, bytes in all


class WriteError(RuntimeError):
    """The disk does not hold what was written; the message says from where on."""


@dataclass(frozen=True, slots=True)
class Written:
    """What is on the disk now: verified by reading it. `resumed_at` is 0 where all of it was written."""

    bytes: int
    sha256: str
    resumed_at: int


def write(payload: Payload, disk: Disk, notes: Path, progress: Progress) -> Written:
    """Write and verify. Raises DiskError where the disk is in use, OSError and WriteError."""
    disk.check_free(payload.size)
    sha256 = payload.sha256()
    note = _Note(notes / f"{_file_name(disk.name_to_confirm)}.json", sha256)
    with _opened(disk) as file:
        start = note.offset
        _write_from(payload, start, file, note, progress)
        _forget_cache(file)
        _verify(payload, file, sha256, note, progress)
    note.remove()
    return Written(payload.size, sha256, start)


def _file_name(serial: str) -> str:
    return "".join(each if each.isalnum() or each in "._-" else "_" for each in serial)


class _Note:
    """How many bytes of which payload are surely on a disk."""

    def __init__(self, path: Path, sha256: str) -> None:
        self._path = path
        self._sha256 = sha256
        self.offset = self._read()

    def move(self, offset: int) -> None:
        self.offset = offset
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")
        with partial.open("w", encoding="utf-8") as file:
            json.dump({"sha256": self._sha256, "offset": offset}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    def _read(self) -> int:
        try:
            found = json.loads(self._path.read_bytes())
        except (FileNotFoundError, ValueError):
            return 0
        if not isinstance(found, dict) or found.get("sha256") != self._sha256:
            return 0
        offset = found.get("offset")
        return offset - offset % BLOCK if isinstance(offset, int) and offset > 0 else 0


@contextlib.contextmanager
def _opened(disk: Disk) -> Iterator[int]:
    try:
        # Without O_CREAT, O_EXCL on a block device means: fail if anything on this machine uses it.
        file = os.open(disk.path, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        raise DiskError(f"{disk.path}: {error.strerror or error}") from error
    try:
        size = os.lseek(file, 0, os.SEEK_END)
        if size != disk.bytes:
            raise DiskError(f"{disk.path}: has {size} bytes now, not {disk.bytes}: another disk is there")
        yield file
    finally:
        os.close(file)


def _write_from(payload: Payload, start: int, file: int, note: _Note, progress: Progress) -> None:
    at = start
    for block in payload.blocks(start):
        _write_whole(file, block, at)
        at += len(block)
        if at % NOTE_EVERY == 0:
            os.fsync(file)
            note.move(at)
        progress("write", at, payload.size)
    os.fsync(file)
    note.move(at)


def _write_whole(file: int, block: bytes, at: int) -> None:
    view = memoryview(block)
    while view:
        done = os.pwrite(file, view, at)
        view, at = view[done:], at + done


def _forget_cache(file: int) -> None:
    """Make sure that what is read now comes from the disk."""
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    with contextlib.suppress(OSError):  # a regular file has no such call
        fcntl.ioctl(file, _BLKFLSBUF)


def _verify(payload: Payload, file: int, sha256: str, note: _Note, progress: Progress) -> None:
    digest = hashlib.sha256()
    at, first_wrong = 0, None
    for block in payload.blocks():
        read = os.pread(file, len(block), at)
        digest.update(read)
        if read != block and first_wrong is None:
            first_wrong = at
        at += len(block)
        progress("verify", at, payload.size)
    if digest.hexdigest() != sha256:
        note.remove()
        where = f"from byte {first_wrong} on" if first_wrong is not None else "as a whole"
        raise WriteError(f"it reads back otherwise than written, {where}: the disk is faulty or fake")
