"""TensorRT engines of a device, kept in one folder; nothing of it is used before its hash was checked.

engines.json                       which engine is for which graph (`graph_sha256`); replaced last
<graph>-<key>-<content>.engine     what TensorRT made; never written over
<graph>-<key>-<content>.onnx       one EPContext node that names the engine: what ONNX Runtime opens
.building-*                        an engine that is being made or checked
.lock                              held by the one who builds
engines.json.damaged               an index that could not be read when the next engine was built

One engine of each graph is kept: one for another TensorRT, GPU, precision or profile takes its place.
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
from wire.bundle import BundleError, Precision, Sha256, file_sha256
from wire.golden import Agreement

INDEX = "engines.json"
BESIDE = "engines"  # the folder inside a bundle where they are kept if nothing else is said
MAX_INDEX = 1 << 20  # bytes; an entry has about 800
_SCHEMA = 1
_DAMAGED = f"{INDEX}.damaged"
_BUILDING = ".building-"
_OURS = re.compile(r".+-[0-9a-f]{12}-[0-9a-f]{12}\.(engine|onnx)")


class EngineError(RuntimeError):
    """An engine cannot be built or used; the message names file and field, or says what to install."""


class UnsuitedError(EngineError):
    """Nothing is wrong with a graph, but TensorRT cannot run it; the message says what does instead."""


class DamagedError(EngineError):
    """An index that says nothing any more, so that nothing is known to be in use."""


@dataclass(frozen=True, slots=True)
class EngineKey:
    """All that an engine depends on. `profile` is the text of its input shapes (`edge.profile`).

    `onnx_sha256` is what `graph_sha256` gives.
    """

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
    """engines.json. `engines` maps a graph (`graph_sha256`) to its engine."""

    schema: Annotated[int, Meta(ge=_SCHEMA, le=_SCHEMA)] = _SCHEMA
    engines: dict[Sha256, Entry] = {}


class _Edition(Struct, frozen=True):
    """What every edition of engines.json says first."""

    schema: int = _SCHEMA


@dataclass(frozen=True, slots=True)
class EngineCache:
    """The folder. Reading it never changes it."""

    folder: Path

    def index(self) -> Index:
        """Read engines.json; empty where there is none. Raises EngineError naming the field.

        DamagedError where nobody could read it, as opposed to this process or this version.
        """
        path = self.folder / INDEX
        try:
            data = path.read_bytes()
            if len(data) > MAX_INDEX:
                raise EngineError(f"{path}: has {len(data)} bytes, limit is {MAX_INDEX}")
            edition = msgspec.json.decode(data, type=_Edition).schema
            if edition != _SCHEMA:
                raise EngineError(f"{path}: schema {edition} is another version's, this one knows {_SCHEMA}")
            return msgspec.json.decode(data, type=Index)
        except FileNotFoundError:
            return Index()
        except OSError as error:
            raise EngineError(f"{path}: {error.strerror or error}") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            # A ValidationError, which names the field, is a DecodeError.
            raise DamagedError(f"{path}: {error}") from error

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
            with _told(path):
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
            unnamed = self._unnamed(index)
        except EngineError as error:
            return [str(error)]
        found = [f"{path}: was left half-built, the next build removes it" for path in unnamed]
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
        """Give a scratch folder, with all others kept out. Afterwards it is gone, come what may.

        Where all went well, what no index names is removed too. Raises EngineError where somebody else
        builds, where there is an index that cannot be read, and for what the system refuses meanwhile.
        """
        with _told(self.folder), self._locked():
            with contextlib.suppress(DamagedError):
                self.index()
            for left in self.folder.glob(f"{_BUILDING}*"):
                shutil.rmtree(left, ignore_errors=True)
            with tempfile.TemporaryDirectory(prefix=_BUILDING, dir=self.folder) as scratch:
                yield Path(scratch)
            with contextlib.suppress(EngineError):  # what was built is in its place
                self._sweep()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise EngineError(f"{self.folder}: another process builds engines there") from error
            yield

    def replace(self, scratch: Path, entry: Entry) -> None:
        """Move an entry's files out of the scratch folder, and name them in the index instead of the old.

        A damaged index is set aside. Raises EngineError for one that cannot be read, and OSError.
        """
        index = self._index_or_aside()
        for stored in (entry.engine, entry.wrapper):
            _synced(scratch / stored.name)
            (scratch / stored.name).replace(self.folder / stored.name)
        _synced(self.folder)
        new = Index(engines={**index.engines, entry.key.onnx_sha256: entry})
        (scratch / INDEX).write_bytes(msgspec.json.format(msgspec.json.encode(new), indent=2))
        _synced(scratch / INDEX)
        (scratch / INDEX).replace(self.folder / INDEX)
        _synced(self.folder)

    def _index_or_aside(self) -> Index:
        try:
            return self.index()
        except DamagedError:
            shutil.copyfile(self.folder / INDEX, self.folder / _DAMAGED)  # the new one takes its place
            return Index()

    def _sweep(self) -> None:
        """Remove what the index does not name. `problems` names what cannot be removed."""
        for path in self._unnamed(self.index()):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _unnamed(self, index: Index) -> list[Path]:
        named = {each.name for entry in index.engines.values() for each in (entry.engine, entry.wrapper)}
        with _told(self.folder):
            return sorted(
                path
                for path in (self.folder.iterdir() if self.folder.is_dir() else ())
                if path.name.startswith(_BUILDING) or (_OURS.fullmatch(path.name) and path.name not in named)
            )


def graph_sha256(model: Path) -> str:
    """Hash a graph with its weights (hex), or raise EngineError.

    SHA-256 of the ONNX file; where weights over 2 GiB lie beside it in NAME.onnx.data, of both files' hashes.
    """
    weights = model.with_name(f"{model.name}.data")
    with _told(model):
        sha256 = file_sha256(model)
        if not weights.is_file():
            return sha256
        return hashlib.sha256(f"{sha256} {file_sha256(weights)}".encode()).hexdigest()


def written(folder: Path, graph: str, key: EngineKey, content: bytes, suffix: str) -> StoredFile:
    """Write a file under a name that no other ever has: by graph, key and content."""
    sha256 = hashlib.sha256(content).hexdigest()
    name = f"{Path(graph).stem}-{key.digest()[:12]}-{sha256[:12]}{suffix}"
    (folder / name).write_bytes(content)
    return StoredFile(name, sha256, len(content))


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what the system refuses into EngineError."""
    try:
        yield
    except OSError as error:
        raise EngineError(f"{error.filename or path}: {error.strerror or error}") from error
    except BundleError as error:  # what file_sha256 makes of it
        raise EngineError(str(error)) from error


def _synced(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
