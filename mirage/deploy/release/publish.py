"""Lays a release out for devices to fetch: ID/release.json, ID/index.json, ID/packs/{whole,BASE}.pack.

The index is written last, so a server never offers what is not there. A pack that is there already stays.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mirage.deploy.release.trees import Opened, TreeError, opened, read_document, read_manifest
from mirage.output import write_whole
from wire.release import DOCUMENT, Index, Manifest, Pack, ReleaseError, Source, sign, sources, verify
from wire.release.pack import MAX_PATCH, end, header, record

INDEX = "index.json"
_PACKS = "packs"

Done = Callable[[int], None]  # told how many bytes of files were packed since the last time


@dataclass(frozen=True, slots=True)
class Packed:
    """A pack: for whom (`base`; None: anybody), its bytes, and how many files it brings."""

    base: str | None
    base_version: str | None
    size: int
    files: int


@dataclass(frozen=True, slots=True)
class Base:
    """An earlier release that devices may have: an archive, or a folder."""

    source: Path
    manifest: Manifest


def read_base(source: Path, manifest: Manifest, key: Ed25519PrivateKey) -> Base:
    """Read an earlier release of the same kind and platform. Raises TreeError."""
    base = read_manifest(source, key.public_key())
    for what in ("kind", "name", "platform"):
        found, wanted = getattr(base, what), getattr(manifest, what)
        if found != wanted:
            raise TreeError(f"{source}: {what} is {found}, that of the new release {wanted}: it is no base")
    if base.id == manifest.id:
        raise TreeError(f"{source}: is this very release")
    return Base(source, base)


def to_pack(manifest: Manifest, bases: Sequence[Base]) -> int:
    """Say how many bytes of files all packs bring."""
    return sum(_amount(manifest, base) for base in (None, *bases))


def publish(
    tree: Path, manifest: Manifest, bases: Sequence[Base], output: Path, key: Ed25519PrivateKey, done: Done
) -> tuple[Packed, ...]:
    """Write all of it below `output`, and the document into the tree. Raises TreeError, OutputError."""
    document = sign(manifest, key)
    folder = output / manifest.id
    write_whole(tree / DOCUMENT, document)
    write_whole(folder / DOCUMENT, document)
    known = _known(folder / INDEX, manifest, key)
    packs, written = dict(known), []
    for base in (None, *bases):
        name = None if base is None else base.manifest.id
        path = folder / _PACKS / f"{name or 'whole'}.pack"
        if name in packs and path.is_file() and path.stat().st_size == packs[name].size:
            done(_amount(manifest, base))
        else:
            packs[name] = _write(path, tree, manifest, document, base, done)
        files = sum(source.kind == "pack" for source in _sources(manifest, base).values())
        version = None if base is None else base.manifest.version
        written.append(Packed(name, version, packs[name].size, files))
    ordered = sorted(packs.values(), key=lambda pack: pack.base or "")
    index = Index(
        manifest.id,
        manifest.kind,
        manifest.name,
        manifest.version,
        manifest.platform,
        manifest.size,
        tuple(ordered),
        python=manifest.python,
    )
    write_whole(folder / INDEX, sign(index, key))
    return tuple(written)


def _known(path: Path, manifest: Manifest, key: Ed25519PrivateKey) -> dict[str | None, Pack]:
    """Give the packs that an index has already."""
    if not path.exists():
        return {}
    try:
        index = verify(path.read_bytes(), Index, key.public_key())
    except ReleaseError as error:
        raise TreeError(f"{path}: {error}: remove {path.parent} to publish anew") from error
    if index.release != manifest.id:
        raise TreeError(f"{path}: is of release {index.release}, not of {manifest.id}")
    return {pack.base: pack for pack in index.packs if (path.parent / _PACKS / f"{pack.name}.pack").is_file()}


def _write(
    path: Path, tree: Path, manifest: Manifest, document: bytes, base: Base | None, done: Done
) -> Pack:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    digest, size = hashlib.sha256(), 0
    try:
        with partial.open("wb") as file:
            for part in _parts(tree, manifest, document, base, done):
                file.write(part)
                digest.update(part)
                size += len(part)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise TreeError(f"{path}: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return Pack(size, digest.hexdigest(), None if base is None else base.manifest.id)


def _parts(tree: Path, manifest: Manifest, document: bytes, base: Base | None, done: Done) -> Iterator[bytes]:
    """Give the pack: the records are made by all processors, and come in the manifest's order."""
    with ExitStack() as stack:
        old = None if base is None else stack.enter_context(opened(base.source))
        reader = _Before(old, base)
        yield header(manifest.id, None if base is None else base.manifest.id)
        yield record(document, None if base is None else read_document(base.source))
        names = [name for name, source in _sources(manifest, base).items() if source.kind == "pack"]

        def packed(name: str) -> tuple[int, bytes]:
            content = (tree / name).read_bytes()
            return len(content), record(content, reader.read(name))

        with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="pack") as pool:
            for size, part in pool.map(packed, names):
                yield part
                done(size)
        yield end()


class _Before:
    """Reads files of a base, one thread at a time."""

    def __init__(self, release: Opened | None, base: Base | None) -> None:
        files = () if base is None else base.manifest.files()
        self._names = {entry.path for entry in files if entry.size <= MAX_PATCH}
        self._release = release
        self._lock = threading.Lock()

    def read(self, name: str) -> bytes | None:
        """Give a file's content, if there is one that can be patched."""
        if self._release is None or name not in self._names:
            return None
        with self._lock, self._release.open(name) as file:
            return file.read()


def _sources(manifest: Manifest, base: Base | None) -> dict[str, Source]:
    return sources(manifest, None if base is None else base.manifest)


def _amount(manifest: Manifest, base: Base | None) -> int:
    sizes = {entry.path: entry.size for entry in manifest.files()}
    return sum(sizes[name] for name, source in _sources(manifest, base).items() if source.kind == "pack")
