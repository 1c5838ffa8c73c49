"""A renderer that is elsewhere: a `Renderer` here, a `RenderHost` on a node of a Ray cluster.

worker thread -- order --> actor (one renderer, loaded once)
              <- frames --'        its node dies: LostRendererError, and the job goes to another one
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import ray
import structlog
from numpy.typing import NDArray
from ray.actor import ActorHandle
from ray.exceptions import RayError, RayTaskError

from cloud.bundles import LoadRenderer
from cloud.engine.host import Facts, Order, Rendered, RenderHost
from cloud.render.renderer import (
    Context,
    LostRendererError,
    RenderCancelledError,
    RenderError,
    ignore,
    never,
)
from wire.bundle import Bundle, BundleError
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment

_POLL_S = 0.1  # how soon a rendering that nobody wants any more is given up
_GIVE_UP_S = 30.0  # how long a renderer may take to its next step; then its actor is ended

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Place:
    """What one renderer needs of a node, and what it is to load there."""

    cpus: float
    gpus: float
    paths: Sequence[str]  # of the bundles, the same on each node
    threads: int
    load: LoadRenderer


class Host:
    """One actor, for one thread of this process. Once it is `lost`, it stays so; `close` it all the same."""

    def __init__(self, place: Place) -> None:
        options = ray.remote(
            num_cpus=place.cpus, num_gpus=place.gpus, max_concurrency=2, max_restarts=0,
            scheduling_strategy="SPREAD",
        )  # fmt: skip
        self.lost = False
        self._orders = 0
        self._actor: ActorHandle = options(RenderHost).remote(list(place.paths), place.threads, place.load)

    def wait_ready(self, stopped: Callable[[], bool]) -> bool:
        """Wait for a node with room; False if `stopped` meanwhile. Raises LostRendererError, BundleError."""
        asked = self._actor.ready.remote()
        if not self._wait(asked, stopped):
            return False
        self._get(asked)
        return True

    def renderer(self, bundle: Bundle, _threads: int) -> "RemoteRenderer":
        """Have a bundle's renderer loaded there. Raises RenderError, BundleError."""
        facts = self._get(self._actor.facts.remote(bundle.short_sha256))
        if not isinstance(facts, Facts):
            raise TypeError(f"a host gave {type(facts).__name__} for its facts")
        return RemoteRenderer(self, bundle.short_sha256, facts)

    def render(self, order: Order, cancelled: Callable[[], bool]) -> Rendered:
        """Have a segment rendered. Raises RenderError, RenderCancelledError."""
        self._orders += 1
        order = replace(order, number=self._orders)
        asked = self._actor.render.remote(order)
        if not self._wait(asked, cancelled):
            self._actor.give_up.remote(order.number)
            # Not before it has ended: the next order would wait behind it.
            if not ray.wait([asked], timeout=_GIVE_UP_S)[0]:
                self.lost = True
            raise RenderCancelledError(f"segment {order.segment.sequence}")
        rendered = self._get(asked)
        if not isinstance(rendered, Rendered):
            raise TypeError(f"a host gave {type(rendered).__name__} for frames")
        return rendered

    def close(self) -> None:
        """End the actor: its node has room for another."""
        self.lost = True
        ray.kill(self._actor)

    def _wait(self, asked: object, stopped: Callable[[], bool]) -> bool:
        while not ray.wait([asked], timeout=_POLL_S, fetch_local=False)[0]:
            if stopped():
                return False
        return True

    def _get(self, asked: object) -> object:
        try:
            return ray.get(asked)
        except RayTaskError as error:
            cause: object = error.cause
            if isinstance(cause, (RenderError, RenderCancelledError, BundleError)):
                raise cause from None
            # Nobody foresaw it, and it may have spoilt the process: a CUDA error does.
            self.lost = True
            raise LostRendererError(f"renderer on another node: {cause!r}") from error
        except RayError as error:
            self.lost = True
            raise LostRendererError(f"renderer on another node is gone: {_first_line(error)}") from error


class RemoteRenderer:
    """What a worker takes for a renderer of its own."""

    def __init__(self, host: Host, bundle: str, facts: Facts) -> None:
        self.name = facts.name
        self.carries = facts.carries
        self._host = host
        self._bundle = bundle

    def render(
        self,
        segment: Segment,
        context: Context,
        camera: CameraInfo,
        policy: Policy,
        seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:
        """Return frames (T, H, W, 3). Raises RenderError, RenderCancelledError, LostRendererError."""
        bare = replace(context, degraded=ignore)
        rendered = self._host.render(Order(0, self._bundle, segment, bare, camera, policy, seed), cancelled)
        for shortfall in rendered.shortfalls:
            context.degraded(shortfall)
        return rendered.frames


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]
