"""A pack becomes a tree of files, and a tree is held against its manifest.

    base tree --files that stay--.
    pack -----files that come----+--> empty folder --> release.json, links --> compiled, synced, read again

Only what lies below the folder is written, through no link. What is compiled is not in the manifest: a tree
is read-only to the agent, so it cannot compile for itself.
"""

import compileall
import hashlib
import os
import py_compile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from edge.identity_files import sync_folder
from edge.update.running import manifest_of
from wire.release import DOCUMENT, Entry, Manifest, Pack, ReleaseError, Unpacker, public_key, sources, verify

_PART = 1 << 18
_CACHE = "__pycache__"


def parts_of(path: Path) -> Iterator[bytes]:
    """Read a file in parts."""
    with path.open("rb") as file:
        while part := file.read(_PART):
            yield part


def is_whole(path: Path, pack: Pack) -> bool:
    """Tell whether a file is this pack."""
    digest = hashlib.sha256()
    for part in parts_of(path):
        digest.update(part)
    return digest.hexdigest() == pack.sha256


def unpack(path: Path, pack: Pack, release: str, key_pem: bytes, base: Path | None, target: Path) -> Manifest:
    """Make the tree `target`, which is empty or not there yet, of a pack and its base.

    Raises ReleaseError unless pack, release and signature are what they should be; OSError. What is in
    `target` is of no use then.
    """
    before = None if base is None else manifest_of(base)
    old = None if base is None else (base / DOCUMENT).read_bytes()
    unpacker = Unpacker(parts_of(path), pack)
    document = unpacker.document(release, old)
    manifest = verify(document, Manifest, public_key(key_pem))
    if manifest.id != release:
        raise ReleaseError(f"the pack brings release {manifest.id}, not {release}")
    target.mkdir(parents=True)
    target.chmod(0o755)
    for entry, content in unpacker.files(manifest, before, _reader(base)):
        _write(target, entry, content)
    entries = {entry.path: entry for entry in manifest.entries}
    for name, source in sources(manifest, before).items():
        if source.kind == "empty":
            _write(target, entries[name], ())
        elif source.kind == "base" and base is not None:
            _write(target, entries[name], parts_of(base / source.path))
        elif source.kind == "tree":
            _write(target, entries[name], parts_of(target / source.path))
    for entry in manifest.entries:
        if entry.link is not None:
            _parent(target, entry.path)
            (target / entry.path).symlink_to(entry.link)
    _write(target, Entry(DOCUMENT), (document,))
    return manifest


def compile_python(tree: Path) -> None:
    """Compile an agent's modules. They are never looked at again, so the cache is as good as they are."""
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    # What is no Python of this version (templates, old tests) is left out, and nobody imports it.
    compileall.compile_dir(tree / "lib", maxlevels=64, quiet=2, invalidation_mode=mode)


def check(tree: Path, manifest: Manifest) -> None:
    """Read a whole tree from the disk. Raises ReleaseError unless it is exactly the manifest's."""
    found = manifest_of(tree)
    if found is None or found.id != manifest.id:
        raise ReleaseError(f"{tree / DOCUMENT}: is not of release {manifest.id}")
    entries = {entry.path: entry for entry in manifest.entries}
    names = set(_names(tree)) - {DOCUMENT}
    if names != entries.keys():
        [name, *_] = sorted(names ^ entries.keys())
        raise ReleaseError(f"{tree / name}: {'is missing' if name in entries else 'is not of the release'}")
    for entry in manifest.entries:
        _check(tree / entry.path, entry)


def sync(tree: Path) -> None:
    """Let everything last: files, folders and the name of the tree itself."""
    os.sync()  # thousands of files: one by one, an SD card takes minutes
    sync_folder(tree.parent)


def _check(path: Path, entry: Entry) -> None:
    if entry.link is not None:
        if not path.is_symlink() or str(path.readlink()) != entry.link:
            raise ReleaseError(f"{path}: is no link to {entry.link}")
        return
    if path.is_symlink() or path.stat().st_mode & 0o777 != entry.mode:
        raise ReleaseError(f"{path}: is no file of mode {entry.mode:o}")
    digest = hashlib.sha256()
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # from the disk, not from memory
        while part := file.read(_PART):
            digest.update(part)
    if digest.hexdigest() != entry.sha256:
        raise ReleaseError(f"{path}: is damaged")


def _names(tree: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(tree):
        inside = os.path.relpath(folder, tree)
        if _CACHE in folders:
            folders.remove(_CACHE)  # ours, of compile_python
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]  # noqa: PTH114, PTH118 (thousands)
        for name in [*files, *links]:
            yield os.path.normpath(f"{inside}/{name}")


def _write(target: Path, entry: Entry, content: Iterable[bytes]) -> None:
    _parent(target, entry.path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(target / entry.path, flags, entry.mode), "wb") as file:  # noqa: PTH123 (a descriptor)
        os.fchmod(file.fileno(), entry.mode)  # whatever the umask
        file.writelines(content)


def _parent(target: Path, name: str) -> None:
    """Make the folders above an entry. The manifest says that none of them is a link."""
    folder = target
    for part in Path(name).parts[:-1]:
        folder /= part
        if not folder.is_dir():
            folder.mkdir()
            folder.chmod(0o755)


def _reader(base: Path | None) -> Callable[[str], bytes] | None:
    return None if base is None else lambda name: (base / name).read_bytes()
