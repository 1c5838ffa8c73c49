"""What an image is made of. The same order makes the same bytes, as long as the lock holds."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid5

from mirage.deploy.boards import Arch
from mirage.deploy.image.packages import Package

EPOCH_S = 1_767_225_600  # 2026-01-01: no file in the image is younger
_FAMILY = UUID("6d697261-6765-4d69-8167-65696d616765")


@dataclass(frozen=True, slots=True)
class Order:
    """An image of `arch` into the file `target`. `agent` and `bundle` are releases that `key` signed."""

    arch: Arch
    version: str
    agent: Path
    bundle: Path
    key: Path
    data: Path  # the repository's folder deploy
    target: Path
    work: Path
    mirror: str
    security: str
    wanted: tuple[str, ...]  # packages
    lock: tuple[Package, ...] | None = None
    epoch_s: int = EPOCH_S

    def beside(self, suffix: str) -> Path:
        """Name a file beside the image."""
        return self.target.with_name(self.target.name + suffix)


@dataclass(frozen=True, slots=True)
class Identity:
    """What the image is, and the ids that follow from it."""

    digest: str

    def uuid(self, what: str) -> UUID:
        """Give the id of one part of the image."""
        return uuid5(_FAMILY, f"{self.digest}/{what}")


def identity(order: Order, packages: Iterable[Package], releases: Iterable[str]) -> Identity:
    """Say what an image of these packages and releases is."""
    content = [order.arch, order.version, order.epoch_s, *map(str, sorted(packages)), *releases]
    return Identity(hashlib.sha256(json.dumps(content).encode()).hexdigest())
