"""Releases to begin with, and how they are read: without keys, as if whoever signs them had gone mad."""

import hashlib

from wire.release import Entry, Index, Manifest, Pack, ReleaseError, Unpacker, sources
from wire.release.documents import canonical, parse
from wire.release.pack import end, header, record

_OLD = {"bin/mirage": b"#!/bin/sh\n" * 30, "lib/a.py": b"a = 1\n" * 40, "lib/b.py": b"b"}
_NEW = {**_OLD, "lib/a.py": b"a = 1\n" * 39 + b"a = 2\n", "lib/c.py": b"c"}


def _manifest(tree: dict[str, bytes], version: str) -> Manifest:
    files = [Entry(path, len(data), hashlib.sha256(data).hexdigest()) for path, data in tree.items()]
    link = Entry("bin/python", link="/usr/bin/python3")
    entries = tuple(sorted([*files, link], key=lambda entry: entry.path))
    return Manifest("agent", "mirage", version, "arm64", entries, python="3.11")


_BASE, _RELEASE = _manifest(_OLD, "1"), _manifest(_NEW, "2")


def manifests() -> tuple[bytes, ...]:
    """Give release.json of an agent and of a bundle, unsigned."""
    entry = Entry("bundle.toml", 1, hashlib.sha256(b"a").hexdigest())
    bundle = Manifest("bundle", "tiny", "1", "any", (entry,), bundle_sha256="a" * 64)
    return canonical(_RELEASE), canonical(bundle)


def indices() -> tuple[bytes, ...]:
    """Give index.json, unsigned."""
    packs = (Pack(9, "0" * 64), Pack(5, "1" * 64, _BASE.id))
    return (canonical(Index(_RELEASE.id, "agent", "mirage", "2", "arm64", 40, packs, python="3.11")),)


def packs() -> tuple[bytes, ...]:
    """Give packs, whole and for a base."""
    return _pack(None), _pack(_BASE)


def read_manifest(data: bytes) -> bytes:
    """Read release.json and write it again."""
    return canonical(parse(data, Manifest))


def read_index(data: bytes) -> bytes:
    """Read index.json and write it again."""
    return canonical(parse(data, Index))


def read_pack(data: bytes) -> bytes:
    """Unpack; gives what came, which must be `brought` of it."""
    base = _BASE if _is_patch(data) else None
    reader = Unpacker([data], _named(data, base))
    if reader.document(_RELEASE.id, canonical(_BASE)) != canonical(_RELEASE):
        raise ReleaseError("another release.json, which nobody signed")
    files = reader.files(_RELEASE, base, _OLD.__getitem__)
    return b"".join(part for _, content in files for part in content)


def brought(data: bytes) -> bytes:
    """Give what a pack should bring."""
    found = sources(_RELEASE, _BASE if _is_patch(data) else None)
    return b"".join(_NEW[path] for path, source in found.items() if source.kind == "pack")


def _is_patch(data: bytes) -> bool:
    return bytes.fromhex(_BASE.id) in data[:64]


def _named(data: bytes, base: Manifest | None) -> Pack:
    return Pack(len(data), hashlib.sha256(data).hexdigest(), None if base is None else base.id)


def _pack(base: Manifest | None) -> bytes:
    old = {} if base is None else _OLD
    before = None if base is None else canonical(base)
    parts = [header(_RELEASE.id, None if base is None else base.id), record(canonical(_RELEASE), before)]
    found = sources(_RELEASE, base)
    parts += [record(_NEW[path], old.get(path)) for path, source in found.items() if source.kind == "pack"]
    return b"".join([*parts, end()])
