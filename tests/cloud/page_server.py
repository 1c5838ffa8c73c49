"""Runs the cloud of a settings file in a process of its own, with the renderer of the tests.

Usage: python -m tests.cloud.page_server cloud.toml; ends when its standard input does.
"""

import atexit
import gc
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cloud.config import load
from cloud.render.renderer import Context, RenderCancelledError, RenderError, never
from cloud.run import run
from tests.cloud.sample import MeanRenderer
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment

IMPOSSIBLE = "a thing that nobody can draw"
ENDLESS = "a thing that takes for ever"


class FussyRenderer(MeanRenderer):
    """Draws all but two captions: one fails, the other takes until it is cancelled."""

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
        while segment.caption == ENDLESS:
            if cancelled():
                raise RenderCancelledError
            time.sleep(0.01)
        return super().render(segment, context, camera, policy, seed, cancelled)


def main() -> None:
    atexit.register(gc.freeze)  # an end without a last search for garbage
    stop = threading.Event()

    def watch() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=watch, name="watch", daemon=True).start()
    run(load(Path(sys.argv[1])), stop, load=lambda _bundle, _threads: FussyRenderer())


if __name__ == "__main__":
    main()
