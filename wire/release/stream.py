"""A stream of bytes that comes in parts of any length, read piece by piece, and hashed along."""

import hashlib
from collections.abc import Iterable

from wire.release.documents import ReleaseError


class Input:
    """Reads at most `size` bytes; what comes beyond is refused."""

    def __init__(self, parts: Iterable[bytes], size: int) -> None:
        self._parts = iter(parts)
        self._digest = hashlib.sha256()
        self._left = size
        self._held = memoryview(b"")

    def some(self, most: int) -> bytes:
        """Read up to `most` bytes, at least one; nothing at the end."""
        while not self._held:
            part = next(self._parts, None)
            if part is None:
                return b""
            if len(part) > self._left:
                raise ReleaseError("the pack is longer than its index says")
            self._left -= len(part)
            self._digest.update(part)
            self._held = memoryview(part)
        taken, self._held = self._held[:most], self._held[most:]
        return bytes(taken)

    def exactly(self, count: int) -> bytes:
        """Read `count` bytes, or raise ReleaseError."""
        out = bytearray()
        while len(out) < count:
            part = self.some(count - len(out))
            if not part:
                raise ReleaseError("the pack is cut off")
            out += part
        return bytes(out)

    def finish(self, sha256: str) -> None:
        """Raise ReleaseError unless everything was read, and was what `sha256` says."""
        if self.some(1):
            raise ReleaseError("the pack goes on where it should end")
        if self._left or self._digest.hexdigest() != sha256:
            raise ReleaseError("the pack is not what its index says")


class Record:
    """The next `left` bytes of an input, for whoever reads files."""

    def __init__(self, source: Input, left: int) -> None:
        self._source = source
        self.left = left

    def read(self, size: int = -1) -> bytes:
        most = self.left if size < 0 else min(size, self.left)
        if most == 0:
            return b""
        part = self._source.some(most)
        if not part:
            raise ReleaseError("the pack is cut off")
        self.left -= len(part)
        return part
