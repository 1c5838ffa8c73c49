"""TensorRT engines of a device, kept in one folder; nothing of it is used before its hash was checked.

engines.json                       which engine is for which ONNX file (by SHA-256); replaced last
<graph>-<key>-<content>.engine     what TensorRT made; never written over
<graph>-<key>-<content>.onnx       one EPContext node that names the engine: what ONNX Runtime opens
.building-*                        an engine that is being made or checked
.lock                              held by the one who builds
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from edge.gpu import Host
from wire.bundle import Precision, Sha256, file_sha256
from wire.golden import Agreement

INDEX = "engines.json"
_BUILDING = ".building-"
_OURS = re.compile(r".+-[0-9a-f]{12}-[0-9a-f]{12}\.(engine|onnx)")


class EngineError(RuntimeError):
    """An engine cannot be built or used; the message names file and field, or says what to install."""


@dataclass(frozen=True, slots=True)
class EngineKey:
    """All that an engine depends on. `profile` is the text of its input shapes (`edge.profile`)."""

    onnx_sha256: str
    host: Host
    precision: Precision
    profile: str

    def digest(self) -> str:
        """SHA-256 (hex) of all fields, in a fixed order and unmistakably apart."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


class StoredFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file beside the index."""

    name: Annotated[str, Meta(pattern=r"\A[\w.-]+\Z")]
    sha256: Sha256
    bytes: Annotated[int, Meta(ge=1)]


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """An engine that agreed with its golden outputs; `graph` is its name in the bundle it was built from."""

    graph: str
    key: EngineKey
    provider: str
    engine: StoredFile
    wrapper: StoredFile
    agreement: Agreement


class Index(Struct, frozen=True, forbid_unknown_fields=True):
    """engines.json. `engines` maps the SHA-256 of an ONNX file to its engine."""

    schema: Annotated[int, Meta(ge=1, le=1)] = 1
    engines: dict[Sha256, Entry] = {}


@dataclass(frozen=True, slots=True)
class EngineCache:
    """The folder. Reading it never changes it."""

    folder: Path

    def index(self) -> Index:
        """Read engines.json; empty where there is none. Raises EngineError naming the field."""
        path = self.folder / INDEX
        try:
            return msgspec.json.decode(path.read_bytes(), type=Index)
        except FileNotFoundError:
            return Index()
        except OSError as error:
            raise EngineError(f"{path}: {error.strerror or error}") from error
        except msgspec.DecodeError as error:  # a ValidationError, which names the field, is one
            raise EngineError(f"{path}: {error}") from error

    def find(self, onnx_sha256: str, host: Host) -> Entry | None:
        """Give the engine for an ONNX file on this host, whole; None where none was ever built.

        Raises EngineError for one that was built for another host or is not as the index says.
        """
        entry = self.index().engines.get(onnx_sha256)
        if entry is None:
            return None
        for field in ("tensorrt", "gpu", "compute_capability", "l4t"):
            built, here = getattr(entry.key.host, field), getattr(host, field)
            if built != here:
                place = f"{self.folder / INDEX}: engine of {entry.graph}"
                raise EngineError(f"{place} was built for {field} {built!r}, here it is {here!r}")
        self.check(entry)
        return entry

    def check(self, entry: Entry) -> None:
        """Compare the files of an entry with the index, or raise EngineError."""
        for field, stored in (("engine", entry.engine), ("wrapper", entry.wrapper)):
            path = self.folder / stored.name
            if not path.is_file():
                raise EngineError(f"{path}: is missing, but {INDEX} names it as {field} of {entry.graph}")
            for what, found, wanted in (
                ("bytes", path.stat().st_size, stored.bytes),
                ("sha256", file_sha256(path), stored.sha256),
            ):
                if found != wanted:
                    raise EngineError(f"{path}: {field}.{what} is {found}, {INDEX} says {wanted}")

    def wrapper(self, entry: Entry) -> Path:
        """Give the path that ONNX Runtime opens."""
        return self.folder / entry.wrapper.name

    def problems(self, host: Host | None = None) -> list[str]:
        """Say what is wrong with the folder, for a person; with a host, also what does not fit it."""
        try:
            index = self.index()
        except EngineError as error:
            return [str(error)]
        found = [f"{path}: was left half-built, the next build removes it" for path in self._unnamed(index)]
        return found + [trouble for sha256 in index.engines if (trouble := self._trouble(sha256, host))]

    def _trouble(self, onnx_sha256: str, host: Host | None) -> str | None:
        try:
            entry = self.index().engines[onnx_sha256]
            self.check(entry) if host is None else self.find(onnx_sha256, host)
        except EngineError as error:
            return str(error)
        return None

    @contextlib.contextmanager
    def building(self) -> Iterator[Path]:
        """Give a scratch folder, with all others kept out and leftovers of a killed build removed.

        Raises EngineError where somebody else builds. Afterwards the scratch folder is gone, come what may.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("w")
        except OSError as error:
            raise EngineError(f"{self.folder}: {error.strerror or error}") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise EngineError(f"{self.folder}: another process builds engines there") from error
            self._sweep()
            with tempfile.TemporaryDirectory(prefix=_BUILDING, dir=self.folder) as scratch:
                yield Path(scratch)

    def replace(self, scratch: Path, entry: Entry) -> None:
        """Move an entry's files out of the scratch folder and name them in the index, then drop the old."""
        index = self.index()
        for stored in (entry.engine, entry.wrapper):
            _synced(scratch / stored.name)
            (scratch / stored.name).replace(self.folder / stored.name)
        _synced(self.folder)
        new = Index(engines={**index.engines, entry.key.onnx_sha256: entry})
        (scratch / INDEX).write_bytes(msgspec.json.format(msgspec.json.encode(new), indent=2))
        _synced(scratch / INDEX)
        (scratch / INDEX).replace(self.folder / INDEX)
        _synced(self.folder)
        self._sweep(keep=scratch)

    def _sweep(self, keep: Path | None = None) -> None:
        """Remove what no index names. With an index that cannot be read, nothing is known to be in use."""
        try:
            index = self.index()
        except EngineError:
            (self.folder / INDEX).unlink()
            index = Index()
        for path in self._unnamed(index):
            if path.is_dir():
                if path != keep:
                    shutil.rmtree(path)
            else:
                path.unlink()

    def _unnamed(self, index: Index) -> list[Path]:
        named = {each.name for entry in index.engines.values() for each in (entry.engine, entry.wrapper)}
        if not self.folder.is_dir():
            return []
        return sorted(
            path
            for path in self.folder.iterdir()
            if path.name.startswith(_BUILDING) or (_OURS.fullmatch(path.name) and path.name not in named)
        )


def written(folder: Path, graph: str, key: EngineKey, content: bytes, suffix: str) -> StoredFile:
    """Write a file under a name that no other ever has: by graph, key and content."""
    sha256 = hashlib.sha256(content).hexdigest()
    name = f"{Path(graph).stem}-{key.digest()[:12]}-{sha256[:12]}{suffix}"
    (folder / name).write_bytes(content)
    return StoredFile(name, sha256, len(content))


def _synced(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
