"""Where clips and posters lie: a folder, or anything that obstore reaches by URL (s3://bucket/prefix)."""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

_TIMEOUT = timedelta(seconds=30)


class ObjectsError(RuntimeError):
    """An object cannot be read or written; the message names it."""


class MissingObjectError(ObjectsError):
    """No such object."""


class Listed(NamedTuple):
    """An object that is there, as long as nobody removes it; `modified_ms` is of the Unix epoch."""

    key: str
    size: int
    modified_ms: int


class Objects:
    """Whole objects by key; a key appears when its object is complete. Safe to share between threads."""

    def __init__(self, where: str) -> None:
        self.where = where
        try:
            self._store = _open(where)
        except (OSError, ValueError, BaseError) as error:
            raise ObjectsError(f"objects {where}: {_first_line(error)}") from error

    def put(self, key: str, source: Path | bytes) -> None:
        """Store a file's content, or bytes, under `key`; an object that is there is replaced."""
        try:
            obstore.put(self._store, key, source)
        except (OSError, ValueError, BaseError) as error:
            raise ObjectsError(f"{self.where}/{key}: {_first_line(error)}") from error

    def put_all(self, sources: Mapping[str, Path | bytes]) -> None:
        """Store all of them, or none and raise ObjectsError."""
        try:
            for key, source in sources.items():
                self.put(key, source)
        except ObjectsError:
            # A disk may be full or a bucket gone: then what cannot be removed was not stored either.
            with contextlib.suppress(OSError, BaseError):
                obstore.delete(self._store, list(sources))
            raise

    def remove(self, keys: Collection[str]) -> None:
        """Remove objects; one that is not there is no error. Raises ObjectsError."""
        for key in keys:
            self._remove(key)

    def _remove(self, key: str) -> None:
        try:
            obstore.delete(self._store, key)
        except FileNotFoundError:
            return
        except (OSError, ValueError, BaseError) as error:
            raise ObjectsError(f"{self.where}/{key}: {_first_line(error)}") from error

    def listed(self, folder: str) -> Iterator[Sequence[Listed]]:
        """List the objects below `folder`, some at a time. Raises ObjectsError."""
        try:
            for found in obstore.list(self._store, prefix=folder):
                yield [
                    Listed(each["path"], each["size"], round(each["last_modified"].timestamp() * 1000))
                    for each in found
                ]
        except (OSError, ValueError, BaseError) as error:
            raise ObjectsError(f"{self.where}/{folder}: {_first_line(error)}") from error

    def size(self, key: str) -> int:
        """Give an object's length in bytes, or raise MissingObjectError."""
        try:
            return obstore.head(self._store, key)["size"]
        except FileNotFoundError as error:
            raise MissingObjectError(f"{self.where}/{key}: not there") from error
        except (OSError, ValueError, BaseError) as error:
            raise ObjectsError(f"{self.where}/{key}: {_first_line(error)}") from error

    def read(self, key: str, start: int, end: int) -> bytes:
        """Read bytes `start` to `end`, the latter excluded."""
        try:
            return bytes(obstore.get_range(self._store, key, start=start, end=end))
        except FileNotFoundError as error:
            raise MissingObjectError(f"{self.where}/{key}: not there") from error
        except (OSError, ValueError, BaseError) as error:
            raise ObjectsError(f"{self.where}/{key}: {_first_line(error)}") from error


def _open(where: str) -> ObjectStore:
    if "://" in where:
        # Plain HTTP only where the endpoint says so itself: a store in the same rack.
        return from_url(
            where,
            client_options={"timeout": _TIMEOUT, "allow_http": True},
            retry_config={"max_retries": 3, "retry_timeout": _TIMEOUT},  # the job is tried again later
        )
    Path(where).mkdir(parents=True, exist_ok=True)
    return LocalStore(prefix=where)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]
