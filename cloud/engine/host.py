"""What runs on a node of the cluster: one renderer, loaded once, on one segment at a time.

Nothing else is there: no store, no objects, no keys. What it is given and what it gives travels through Ray,
between processes of one deployment; nothing that a device or a viewer sent is ever unpickled.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cloud.bundles import Bundles, LoadRenderer
from cloud.render.renderer import Context
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment


@dataclass(frozen=True, slots=True)
class Facts:
    """What a renderer says of itself."""

    name: str
    carries: int


@dataclass(frozen=True, slots=True)
class Order:
    """One segment to render; `number` tells it from the others that this host was ever given."""

    number: int
    bundle: str  # short hash
    segment: Segment
    context: Context  # its `degraded` is not called: what falls short comes back in `Rendered`
    camera: CameraInfo
    policy: Policy
    seed: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """Frames (T, H, W, 3), and in what they fall short of what was asked for."""

    frames: NDArray[np.uint8]
    shortfalls: Sequence[str]


class RenderHost:
    """An actor with two threads: on one it renders, on the other it is told to give up."""

    def __init__(self, paths: Sequence[str], threads: int, load: LoadRenderer) -> None:
        self._bundles = Bundles([Bundle.load(Path(path), "cloud") for path in paths], load, threads)
        self._given_up = -1

    def ready(self) -> None:
        """Answer: the node has room, and the bundles are there."""

    def facts(self, bundle: str) -> Facts:
        """Load a renderer. Raises BundleError, RenderError."""
        renderer = self._bundles.renderer(bundle)
        return Facts(renderer.name, renderer.carries)

    def render(self, order: Order) -> Rendered:
        """Render. Raises RenderError, RenderCancelledError, BundleError."""
        shortfalls = list[str]()
        frames = self._bundles.renderer(order.bundle).render(
            order.segment, replace(order.context, degraded=shortfalls.append), order.camera, order.policy,
            order.seed, lambda: order.number <= self._given_up,
        )  # fmt: skip
        return Rendered(frames, shortfalls)

    def give_up(self, number: int) -> None:
        """End an order at its next step, and any before it."""
        self._given_up = max(self._given_up, number)
