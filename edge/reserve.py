"""Room on the disk that is held for the moment when there is none left."""

import os
from pathlib import Path

import structlog

RESERVE_BYTES = 1024 * 1024  # twice the log of transactions: it must be moved before anything can be deleted

log = structlog.get_logger()


class Reserve:
    """A file of nothing beside the spool: SQLite needs room even to delete.

    When the disk is full it is removed, so that the spool can shed and go on; it is made again when there is
    room for twice its size.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def hold(self) -> bool:
        """Make the file unless it is there; False where the disk has no room for it."""
        try:
            if self._path.exists() and self._path.stat().st_size == RESERVE_BYTES:
                return True
            disk = os.statvfs(self._path.parent)
            if disk.f_bavail * disk.f_frsize < 2 * RESERVE_BYTES:
                return False
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
        except OSError as error:
            log.warning("no room is held for a full disk", path=str(self._path), reason=str(error))
            self.release()
            return False
        return True

    def release(self) -> None:
        """Give the room back to the disk."""
        self._path.unlink(missing_ok=True)
