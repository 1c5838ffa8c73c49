"""A pack: the files of a release that its base has not, one after another.

    "mirage pack 1", line feed, release id (8 bytes), base id (8 bytes; zeros: none)
    kind (1 byte), length (8 bytes, big-endian), frame of zstd             release.json, as signed
    kind, length, frame                                                    each file that is to come
    0xff                                                                   end

Kind 0 is whole. Kind 1 is a patch: its dictionary is the content of the base's file at the same path (for the
first: of the base's release.json). Which files come follows from the two manifests (`sources`).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from wire.release.documents import MAX_DOCUMENT, Entry, Manifest, Pack, ReleaseError
from wire.release.stream import Input, Record

MAX_PATCH = 64 << 20  # bytes of a file that is patched, and of its base: both are in memory at once
LEVEL = 19
_MAX_WINDOW = 27  # bits: twice MAX_PATCH, so that all of the base is within reach
_WINDOW = 23  # bits, of whole files: 8 MiB of memory on the device
_MAGIC = b"mirage pack 1\n"
_WHOLE, _PATCH, _END = 0, 1, 0xFF

Read = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a file's content comes from: the pack, or the file at `path` of the base or of this very tree."""

    kind: Literal["empty", "pack", "base", "tree"]
    path: str


def sources(manifest: Manifest, base: Manifest | None) -> dict[str, Source]:
    """Say for each file, in order, where it comes from. "tree": a file that comes earlier."""
    kept = {} if base is None else {entry.sha256: entry.path for entry in base.files()}
    same = set() if base is None else {(entry.path, entry.sha256) for entry in base.files()}
    found: dict[str, Source] = {}
    seen: dict[str, str] = {}
    for entry in manifest.files():
        if entry.size == 0:
            source = Source("empty", entry.path)
        elif (entry.path, entry.sha256) in same:
            source = Source("base", entry.path)
        elif entry.sha256 in kept:
            source = Source("base", kept[entry.sha256])
        elif entry.sha256 in seen:
            source = Source("tree", seen[entry.sha256])
        else:
            source = Source("pack", entry.path)
        seen.setdefault(entry.sha256, entry.path)
        found[entry.path] = source
    return found


def header(release: str, base: str | None) -> bytes:
    """Write what a pack begins with."""
    return _MAGIC + bytes.fromhex(release) + bytes.fromhex(base or "00" * 8)


def record(content: bytes, base: bytes | None = None) -> bytes:
    """Write one record: `content` whole, or as a patch of `base` where that is shorter."""
    patch = _compressed(content, base) if base and max(len(base), len(content)) <= MAX_PATCH else None
    if patch is not None and len(patch) < len(content) // 8:
        kind, frame = _PATCH, patch  # shorter than anything is whole
    else:
        kind, frame = _WHOLE, _compressed(content, None)
        if patch is not None and len(patch) < len(frame):
            kind, frame = _PATCH, patch
    return bytes([kind]) + len(frame).to_bytes(8, "big") + frame


def end() -> bytes:
    """Write what a pack ends with."""
    return bytes([_END])


class Unpacker:
    """Reads a pack as it comes in: `document` once, then all of `files`. Use nothing of it before the end.

    At most 64 MiB of a base and a window of 128 MiB (8 MiB, where nothing is patched) are in memory; no file
    gets more bytes than its manifest says.
    """

    def __init__(self, parts: Iterable[bytes], pack: Pack) -> None:
        self._input = Input(parts, pack.size)
        self._pack = pack

    def document(self, release: str, base: bytes | None = None) -> bytes:
        """Read release.json of `release`, to be verified; `base` is that of the base. Raises ReleaseError."""
        expected = header(release, self._pack.base)
        if self._input.exactly(len(expected)) != expected:
            raise ReleaseError(f"this is no pack of {release} for {self._pack.base or 'anybody'}")
        document = bytearray()
        for part in self._content(base):
            document += part
            if len(document) > 2 * MAX_DOCUMENT:
                raise ReleaseError(f"release.json has more than {2 * MAX_DOCUMENT} bytes")
        return bytes(document)

    def files(
        self, manifest: Manifest, base: Manifest | None = None, read_base: Read | None = None
    ) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        """Give each file that comes, with its content, which ends in a ReleaseError if it is another.

        `read_base` gives a whole file of the base, of at most MAX_PATCH bytes. Whatever is left of a content
        is read before the next one.
        """
        found = sources(manifest, base)
        old = {} if base is None else {entry.path: entry for entry in base.files()}
        for entry in manifest.files():
            if found[entry.path].kind != "pack":
                continue
            before = old.get(entry.path)
            patched = None
            if before is not None and before.size <= MAX_PATCH and entry.size <= MAX_PATCH and read_base:
                patched = _reader(before, read_base)
            content = self._checked(entry, patched)
            yield entry, content
            for _ in content:
                pass
        if self._input.exactly(1) != bytes([_END]):
            raise ReleaseError("the pack goes on where it should end")
        self._input.finish(self._pack.sha256)

    def _checked(self, entry: Entry, base: Callable[[], bytes] | None) -> Iterator[bytes]:
        digest, size = hashlib.sha256(), 0
        for part in self._content(base):
            size += len(part)
            if size > entry.size:
                raise ReleaseError(f"{entry.path}: the pack has more than its {entry.size} bytes")
            digest.update(part)
            yield part
        if digest.hexdigest() != entry.sha256:
            raise ReleaseError(f"{entry.path}: what the pack has is not what the manifest says")

    def _content(self, base: "bytes | Callable[[], bytes] | None") -> Iterator[bytes]:
        from wire.release.zstd import decompressed

        kind, length = self._input.exactly(1)[0], int.from_bytes(self._input.exactly(8), "big")
        if kind not in {_WHOLE, _PATCH} or (kind == _PATCH and base is None):
            raise ReleaseError(f"the pack has a record of kind {kind} where none can be")
        old = (base() if callable(base) else base) if kind == _PATCH else None
        yield from decompressed(Record(self._input, length), old, _MAX_WINDOW if old else _WINDOW)


def _reader(entry: Entry, read: Read) -> Callable[[], bytes]:
    """Give what reads the base's file of an entry; it raises ReleaseError unless it is still what it was."""

    def content() -> bytes:
        data = read(entry.path)
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise ReleaseError(f"{entry.path}: the base's file is not what its manifest says")
        return data

    return content


def _compressed(content: bytes, base: bytes | None) -> bytes:
    from wire.release.zstd import compressed

    window = min(max((len(content) + len(base or b"")).bit_length(), 10), _MAX_WINDOW if base else _WINDOW)
    return compressed(content, base, LEVEL, window)
