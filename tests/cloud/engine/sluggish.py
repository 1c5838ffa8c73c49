"""A renderer for other processes to load: it takes its time, and asks whether it should go on."""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cloud.render.renderer import Context, RenderCancelledError, RenderError, never
from tests.cloud.sample import MeanRenderer
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment

STEPS = 10


class SluggishRenderer(MeanRenderer):
    """Takes `step_s` for each of its steps; segment 13 brings it bad luck."""

    name = "sluggish-1"

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s

    def render(
        self,
        segment: Segment,
        context: Context,
        camera: CameraInfo,
        policy: Policy,
        seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:
        for _ in range(STEPS):
            if cancelled():
                raise RenderCancelledError(f"segment {segment.sequence}")
            time.sleep(self._step_s)
        if segment.sequence == 13:
            raise RenderError("segment 13: no such colour")
        context.degraded("sluggish")
        return super().render(segment, context, camera, policy, seed, cancelled)


def load_sluggish(_bundle: Bundle, _threads: int) -> SluggishRenderer:
    return SluggishRenderer(0.05)
