"""Where clips and posters lie: a folder, or anything that obstore reaches by URL (s3://bucket/prefix).

put --> whole or not there, for a folder (a temporary name, then rename) and for S3 alike (docs/scaling.md)
every request: 5 s to connect, 30 s in all, tried again three times where that is harmless, then ObjectsError
"""

import contextlib
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from cloud.refusal import advice, is_of_bucket, said

_TIMEOUT_S = 30.0
_CONNECT_S = 5.0
_ENDPOINTS = ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
_ADDRESS = re.compile(r"https?://[\w.:\[\]-]+(/[^\s?#]*)?")
_PROBE = "check"


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

    def __init__(self, where: str, timeout_s: float = _TIMEOUT_S) -> None:
        self.where = where
        try:
            self._store = _open(where, timeout_s)
        except (OSError, ValueError, BaseError) as error:
            raise ObjectsError(f"objects {where}: {said(error)}{advice(error)}") from error

    def check(self) -> None:
        """Store, find, list and remove a small object. Raises ObjectsError, which says what can be done."""
        try:
            self.put(_PROBE, b"may be removed")
            with contextlib.suppress(MissingObjectError):  # of another process that checks
                self.size(_PROBE)
            next(self.listed("clips"), None)
            self.remove([_PROBE])
        except ObjectsError as error:
            raise ObjectsError(f"objects {error}{advice(error.__cause__)}") from error

    def put(self, key: str, source: Path | bytes) -> None:
        """Store a file's content, or bytes, under `key`; an object that is there is replaced."""
        try:
            obstore.put(self._store, key, source)
        except (OSError, ValueError, BaseError) as error:
            raise self._error(key, error) from error

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
        except FileNotFoundError as error:
            if is_of_bucket(error):
                raise self._error(key, error) from error
        except (OSError, ValueError, BaseError) as error:
            raise self._error(key, error) from error

    def listed(self, folder: str) -> Iterator[Sequence[Listed]]:
        """List the objects below `folder`, some at a time. Raises ObjectsError."""
        try:
            for found in obstore.list(self._store, prefix=folder):
                yield [
                    Listed(each["path"], each["size"], round(each["last_modified"].timestamp() * 1000))
                    for each in found
                ]
        except (OSError, ValueError, BaseError) as error:
            raise self._error(folder, error) from error

    def size(self, key: str) -> int:
        """Give an object's length in bytes, or raise MissingObjectError."""
        try:
            return obstore.head(self._store, key)["size"]
        except FileNotFoundError as error:
            self.read(key, 0, 1)  # HEAD has no words for what is missing, object or bucket; GET has
            raise MissingObjectError(f"{self.where}/{key}: not there") from error
        except (OSError, ValueError, BaseError) as error:
            raise self._error(key, error) from error

    def read(self, key: str, start: int, end: int) -> bytes:
        """Read bytes `start` to `end`, the latter excluded."""
        try:
            return bytes(obstore.get_range(self._store, key, start=start, end=end))
        except FileNotFoundError as error:
            if is_of_bucket(error):
                raise self._error(key, error) from error
            raise MissingObjectError(f"{self.where}/{key}: not there") from error
        except (OSError, ValueError, BaseError) as error:
            raise self._error(key, error) from error

    def _error(self, key: str, error: Exception) -> ObjectsError:
        return ObjectsError(f"{self.where}/{key}: {said(error)}")


def _open(where: str, timeout_s: float) -> ObjectStore:
    if "://" in where:
        _check_endpoint()
        timeout = timedelta(seconds=timeout_s)
        # Plain HTTP only where the endpoint says so itself: a store in the same rack.
        return from_url(
            where,
            client_options={
                "timeout": timeout,
                "connect_timeout": min(timeout, timedelta(seconds=_CONNECT_S)),
                "allow_http": True,
            },
            retry_config={"max_retries": 3, "retry_timeout": timeout},  # the job is tried again later
        )
    Path(where).mkdir(parents=True, exist_ok=True)
    return LocalStore(prefix=where)


def _check_endpoint() -> None:
    # obstore reads these itself, and of one that is no URL it panics at the first request.
    for name in _ENDPOINTS:
        endpoint = os.environ.get(name)
        if endpoint is not None and not _ADDRESS.fullmatch(endpoint):
            raise ValueError(f"{name} {endpoint!r}: is no address such as https://s3.example.com")
