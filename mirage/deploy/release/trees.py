"""Trees of releases on disk: a folder, or an archive (tar, release.json first), into another folder.

Nothing is written that the manifest does not name, and nothing of it is left if one file is not what it says.
"""

import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from wire.release import DOCUMENT, MAX_DOCUMENT, Entry, Manifest, ReleaseError, public_key, unsigned, verify

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from typing_extensions import Buffer

_PART = 1 << 20
_MOST = 2 * MAX_DOCUMENT


class TreeError(ValueError):
    """A release on disk cannot be read or written; the message names the file."""


class Opened(Protocol):
    """Where the files of a release are read from."""

    def open(self, name: str) -> IO[bytes]:
        """Open a file. Raises OSError, KeyError, tarfile.TarError."""


def read_public_key(path: Path) -> "Ed25519PublicKey":
    """Read who may sign releases, or raise TreeError."""
    try:
        return public_key(path.read_bytes())
    except OSError as error:
        raise TreeError(f"{path}: {error.strerror or error}") from error
    except ReleaseError as error:
        raise TreeError(f"{path}: {error}") from error


def read_document(source: Path) -> bytes:
    """Read release.json of an archive or a folder, as it is signed. Raises TreeError."""
    with opened(source) as release, _named(source), release.open(DOCUMENT) as file:
        data = file.read(_MOST + 1)
    if len(data) > _MOST:
        raise TreeError(f"{source}: {DOCUMENT} has more than {_MOST} bytes")
    return data


def read_manifest(source: Path, key: "Ed25519PublicKey | None") -> Manifest:
    """Read what an archive or a folder should hold; without a key, whoever signed it. Raises TreeError."""
    document = read_document(source)
    try:
        return unsigned(document, Manifest) if key is None else verify(document, Manifest, key)
    except ReleaseError as error:
        raise TreeError(f"{source}: {error}") from error


def check_tree(source: Path, key: "Ed25519PublicKey") -> Manifest:
    """Raise TreeError unless an archive or a folder is what the owner of `key` signed. Reads all of it.

    An archive has to be the one that `write_archive` makes, byte by byte: tar brings nothing else out of it.
    """
    document = read_document(source)
    manifest = read_manifest(source, key)
    with opened(source) as release, _named(source):
        copy = _Hashed()
        _pack(manifest, document, copy, lambda entry: b"".join(_content(source, release, entry)))
        if source.is_file() and copy.sha256 != _sha256(source):
            raise TreeError(f"{source}: holds more than what was signed: make it anew")
    return manifest


def write_tree(source: Path, target: Path, key: "Ed25519PublicKey") -> Manifest:
    """Lay the release of an archive or a folder out as the new folder `target`, release.json in it.

    It is there whole, or not at all. Raises TreeError.
    """
    document = read_document(source)
    manifest = read_manifest(source, key)
    partial = target.with_name(f".{target.name}.partial")
    try:
        if target.is_symlink() or (target.exists() and any(target.iterdir())):
            raise TreeError(f"{target}: is there already")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        partial.chmod(0o755)
        with opened(source) as release, _named(source):
            for entry in manifest.entries:
                _write(source, release, entry, partial)
        _write_file(partial / DOCUMENT, 0o644, iter([document]))
        partial.replace(target)
    except OSError as error:
        raise TreeError(f"{target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def read_entries(folder: Path) -> tuple[Entry, ...]:
    """Say what lies below a folder. Raises TreeError for what is no file, folder or link."""
    entries = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        try:
            entry = _entry(path, name)
        except (OSError, ValueError) as error:
            raise TreeError(f"{path}: {error}") from error
        if entry is not None:
            entries.append(entry)
    return tuple(sorted(entries, key=lambda entry: entry.path))


def write_archive(folder: Path, manifest: Manifest, document: bytes, file: IO[bytes]) -> None:
    """Write a tar file: release.json, and all that the manifest names. The same bytes for the same tree."""
    _pack(manifest, document, file, lambda entry: (folder / entry.path).read_bytes())


class _Hashed(io.RawIOBase):
    """A file of which nothing is kept but its SHA-256."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, data: "Buffer") -> int:
        self._digest.update(data)
        written = memoryview(data).nbytes
        self._size += written
        return written

    def tell(self) -> int:
        return self._size

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _pack(
    manifest: Manifest, document: bytes, file: "IO[bytes] | _Hashed", content: Callable[[Entry], bytes]
) -> None:
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, DOCUMENT, 0o644, document)
        for entry in manifest.entries:
            if entry.link is not None:
                member = tarfile.TarInfo(entry.path)
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, entry.link, 0o777
                tar.addfile(member)
            else:
                _add(tar, entry.path, entry.mode, content(entry))


def _add(tar: tarfile.TarFile, name: str, mode: int, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # of root, from 1970
    member.mode, member.size = mode, len(content)
    tar.addfile(member, io.BytesIO(content))


def _entry(path: Path, name: str) -> Entry | None:
    if path.is_symlink():
        return Entry(name, link=str(path.readlink()))
    if path.is_dir():
        return None
    if not path.is_file():
        raise ValueError("is no file, folder or link")
    status = path.stat()
    return Entry(name, status.st_size, _sha256(path), executable=bool(status.st_mode & 0o100))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_PART):
            digest.update(part)
    return digest.hexdigest()


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self, name: str) -> IO[bytes]:
        return (self._root / name).open("rb")


class _Archive:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def open(self, name: str) -> IO[bytes]:
        member = self._tar.getmember(name)
        file = self._tar.extractfile(member) if member.isreg() else None
        if file is None:
            raise KeyError(f"{name} is no file")
        return file


@contextmanager
def opened(source: Path) -> Iterator[Opened]:
    """Give what reads the files of a folder or an archive; not of it from two threads at once."""
    if source.is_dir():
        yield _Folder(source)
        return
    with _named(source), tarfile.open(source, "r:") as tar:
        yield _Archive(tar)


@contextmanager
def _named(source: Path) -> Iterator[None]:
    """Make a TreeError of what goes wrong while `source` is read."""
    try:
        yield
    except OSError as error:
        raise TreeError(f"{error.filename or source}: {error.strerror or error}") from error
    except KeyError as error:
        raise TreeError(f"{source}: is no whole release: {error.args[0]}") from error
    except tarfile.TarError as error:
        raise TreeError(f"{source}: is no archive of a release: {error}") from error


def _write(source: Path, release: Opened, entry: Entry, target: Path) -> None:
    path = target / entry.path
    for folder in reversed([path.parent, *path.parent.parents]):
        if folder.is_relative_to(target) and not folder.exists():
            folder.mkdir()
            folder.chmod(0o755)
    if entry.link is not None:
        path.symlink_to(entry.link)
    else:
        _write_file(path, entry.mode, _content(source, release, entry))


def _write_file(path: Path, mode: int, content: Iterator[bytes]) -> None:
    with path.open("xb") as file:
        for part in content:
            file.write(part)
        os.fchmod(file.fileno(), mode)


def _content(source: Path, release: Opened, entry: Entry) -> Iterator[bytes]:
    """Give a file's content; raises TreeError at its end if it is another."""
    digest, left = hashlib.sha256(), entry.size
    with release.open(entry.path) as file:
        while part := file.read(min(_PART, left + 1)):
            left -= len(part)
            digest.update(part)
            if left < 0:
                break
            yield part
    if left != 0 or digest.hexdigest() != entry.sha256:
        raise TreeError(f"{source}: {entry.path} is not what was signed")
