"""What goes onto a disk: an image file, with a seed laid into its partition `cidata`."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mirage.deploy.gpt import GptError, partitions
from mirage.deploy.seed_image import LABEL

BLOCK = 4 * 2**20


class PayloadError(ValueError):
    """The image cannot be used; the message names it and says why."""


@dataclass(frozen=True, slots=True)
class Payload:
    """`size` bytes: those of `image`, but from `seed_offset` on those of `seed`; `image` may be absent."""

    image: Path | None
    size: int
    seed: bytes = b""
    seed_offset: int = 0

    def blocks(self, start: int = 0) -> Iterator[bytes]:
        """Give the content from `start` on, in blocks of at most `BLOCK` bytes. Raises OSError."""
        if self.image is None:
            for at in range(start, self.size, BLOCK):
                yield self.seed[at : at + BLOCK]
            return
        with self.image.open("rb") as file:
            file.seek(start)
            at = start
            while at < self.size:
                block = file.read(min(BLOCK, self.size - at))
                if not block:
                    raise OSError(f"{self.image}: became shorter while it was read")
                yield self._with_seed(block, at)
                at += len(block)

    def sha256(self) -> str:
        """Say what the disk will read as. Reads everything."""
        digest = hashlib.sha256()
        for block in self.blocks():
            digest.update(block)
        return digest.hexdigest()

    def _with_seed(self, block: bytes, at: int) -> bytes:
        first = max(self.seed_offset, at)
        last = min(self.seed_offset + len(self.seed), at + len(block))
        if first >= last:
            return block
        inside = self.seed[first - self.seed_offset : last - self.seed_offset]
        return block[: first - at] + inside + block[last - at :]


def only_seed(seed: bytes) -> Payload:
    """Make a stick that a device reads its seed from."""
    return Payload(None, len(seed), seed)


def image_with_seed(image: Path, seed: bytes) -> Payload:
    """Lay a seed into an image, after checking IMAGE.sha256 where there is one. Raises PayloadError."""
    try:
        _check_sum(image)
        with image.open("rb") as file:
            found = [each for each in partitions(file) if each.name.upper() == LABEL]
        size = image.stat().st_size
    except OSError as error:
        raise PayloadError(f"{image}: {error.strerror or error}") from error
    except GptError as error:
        raise PayloadError(f"{image}: {error}") from error
    if len(found) != 1:
        raise PayloadError(
            f"{image}: has {len(found)} partitions named cidata, not one: "
            "the seed goes onto a stick with --seed-only"
        )
    room = min(found[0].size, size - found[0].offset)
    if len(seed) > room:
        raise PayloadError(f"{image}: partition cidata has {room} bytes, the seed {len(seed)}")
    return Payload(image, size, seed, found[0].offset)


def _check_sum(image: Path) -> None:
    beside = image.with_name(f"{image.name}.sha256")
    if not beside.exists():
        return
    said = beside.read_text("ascii").split()[0]
    digest = hashlib.sha256()
    with image.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    if digest.hexdigest() != said:
        raise PayloadError(f"{image}: is damaged: SHA-256 {digest.hexdigest()}, {beside.name} says {said}")
