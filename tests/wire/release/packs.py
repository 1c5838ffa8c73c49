"""Releases in memory: a tree is a dict from path to content."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wire.release import Entry, Manifest, Pack, Unpacker, sign, sources, verify
from wire.release.pack import end, header, record

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
Tree = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Release:
    """A tree with its manifest, and that as it is signed."""

    tree: Tree
    manifest: Manifest
    document: bytes


def entry(path: str, content: bytes) -> Entry:
    return Entry(path, len(content), hashlib.sha256(content).hexdigest(), executable=path.startswith("bin/"))


def release(tree: Tree, version: str = "1.0.0") -> Release:
    entries = tuple(entry(path, tree[path]) for path in sorted(tree))
    manifest = Manifest("agent", "mirage", version, "amd64", entries, python="3.11")
    return Release(tree, manifest, sign(manifest, KEY))


def packed(new: Release, base: Release | None = None) -> bytes:
    """Write a pack as whoever makes releases does."""
    old = {} if base is None else base.tree
    parts = [header(new.manifest.id, None if base is None else base.manifest.id)]
    parts += [record(new.document, None if base is None else base.document)]
    found = sources(new.manifest, None if base is None else base.manifest)
    parts += [record(new.tree[path], old.get(path)) for path, each in found.items() if each.kind == "pack"]
    return b"".join([*parts, end()])


def named(data: bytes, base: Release | None = None) -> Pack:
    """Say of a pack what its index says."""
    return Pack(len(data), hashlib.sha256(data).hexdigest(), None if base is None else base.manifest.id)


def unpacked(data: bytes, pack: Pack, of: Release, base: Release | None = None, step: int = 1000) -> Tree:
    """Read a pack as a device does, in parts of `step` bytes; raises ReleaseError."""
    parts = (data[at : at + step] for at in range(0, len(data), step))
    reader = Unpacker(parts, pack)
    document = reader.document(of.manifest.id, None if base is None else base.document)
    manifest = verify(document, Manifest, KEY.public_key())
    old = {} if base is None else dict(base.tree)
    files = reader.files(manifest, None if base is None else base.manifest, old.__getitem__)
    came = {each.path: b"".join(content) for each, content in files}
    tree: dict[str, bytes] = {}
    for path, source in sources(manifest, None if base is None else base.manifest).items():
        places: dict[str, Tree] = {"pack": came, "base": old, "tree": tree}
        tree[path] = b"" if source.kind == "empty" else places[source.kind][source.path]
    return tree
