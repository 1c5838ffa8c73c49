"""A worker process that dies by SIGKILL in a chosen moment of its first job.

python -m tests.cloud.crashing STORE-URL OBJECTS BUNDLE WINDOW
"""

import os
import signal
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cloud.bundles import Bundles
from cloud.objects import Objects
from cloud.render.renderer import Context, never
from cloud.store import Store
from cloud.terms import Terms
from cloud.worker import Worker
from tests.cloud.sample import MeanRenderer
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment

Window = Literal["while it renders", "before upload", "before commit", "after commit"]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Deadly(MeanRenderer):
    def render(
        self,
        segment: Segment,
        context: Context,
        camera: CameraInfo,
        policy: Policy,
        seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:
        die()
        return super().render(segment, context, camera, policy, seed, cancelled)


class DeadlyObjects(Objects):
    """Dies before or after it has stored a clip, or when it is to remove what a commit left over."""

    def __init__(self, where: str, window: str) -> None:
        super().__init__(where)
        self._window = window

    def put_all(self, sources: Mapping[str, Path | bytes]) -> None:
        if self._window == "before upload":
            die()
        super().put_all(sources)
        if self._window == "before commit":
            die()

    def remove(self, keys: Collection[str]) -> None:
        if self._window == "after commit":
            die()
        super().remove(keys)


def main(url: str, folder: str, bundle_folder: str, window: str) -> None:
    bundle = Bundle.load(Path(bundle_folder), "cloud")
    renderer = Deadly() if window == "while it renders" else MeanRenderer()
    bundles = Bundles([bundle], lambda _bundle, _threads: renderer)
    Worker(Store(url), DeadlyObjects(folder, window), bundles, Terms.of(Policy(long_side_px=64))).work()


if __name__ == "__main__":
    main(*sys.argv[1:])
