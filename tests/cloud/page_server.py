"""Runs the cloud of a settings file in a process of its own, with the renderer of the tests.

Usage: python -m tests.cloud.page_server cloud.toml; ends when its standard input does.
"""

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cloud.config import load
from cloud.render.renderer import Context, RenderError, never
from cloud.run import run
from tests.cloud.sample import MeanRenderer
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment

IMPOSSIBLE = "a thing that nobody can draw"


class FussyRenderer(MeanRenderer):
    """Draws all but one caption."""

    def render(
        self,
        segment: Segment,
        context: Context,
        camera: CameraInfo,
        policy: Policy,
        seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:
        if segment.caption == IMPOSSIBLE:
            raise RenderError("there is no such thing")
        return super().render(segment, context, camera, policy, seed, cancelled)


def main() -> None:
    stop = threading.Event()

    def watch() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=watch, name="watch", daemon=True).start()
    run(load(Path(sys.argv[1])), stop, load=lambda _bundle, _threads: FussyRenderer())


if __name__ == "__main__":
    main()
