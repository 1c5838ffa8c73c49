"""Waits until a demo's video is back, and notices when it never will be."""

import time
from collections.abc import Callable

from mirage.demo.child import Child
from mirage.demo.client import CloudClient, SegmentView
from mirage.errors import DemoError
from mirage.progress import steps_shown

_STALLED_S = 120.0  # without a new clip
_TROUBLED_S = 10.0  # without a new clip while the cloud says that something is wrong
_POLL_S = 0.2
_STOP_S = 60.0  # an agent that was stopped still delivers


def until_rendered(
    client: CloudClient, agent: Child, cloud: Child, seconds: float | None
) -> list[SegmentView]:
    """Wait until the agent has ended and each of its segments has become a clip, or failed to.

    A live source is stopped after `seconds`. Raises DemoError and InputError.
    """
    ends_s = None if seconds is None else time.monotonic() + seconds
    with steps_shown("segments described, sent, regenerated", None) as done:
        patience = _Patience(done)
        while True:
            agent_ended = agent.ended()
            if cloud.ended():
                raise DemoError(f"the cloud ended early (log: {cloud.log})")
            if ends_s is not None and time.monotonic() > ends_s and not agent_ended:
                agent.stop(_STOP_S)
                continue
            segments = client.segments()
            finished = [segment for segment in segments if segment.render in {"done", "failed"}]
            if agent_ended and len(finished) == len(segments):
                return segments
            patience.look(len(finished), client, cloud, agent_ended=agent_ended)
            time.sleep(_POLL_S)


class _Patience:
    """Runs out when no clip comes any more although the agent has ended."""

    def __init__(self, done: Callable[[], None]) -> None:
        self._done = done
        self._finished = 0
        self._since_s = time.monotonic()

    def look(self, finished: int, client: CloudClient, cloud: Child, *, agent_ended: bool) -> None:
        for _ in range(finished - self._finished):
            self._done()
        if finished != self._finished or not agent_ended:
            self._finished, self._since_s = finished, time.monotonic()
            return
        waited_s = time.monotonic() - self._since_s
        troubles = client.troubles() if waited_s > _TROUBLED_S else {}
        if troubles:
            what = "; ".join(f"{part}: {trouble}" for part, trouble in troubles.items())
            raise DemoError(f"the cloud is in trouble: {what} (log: {cloud.log})")
        if waited_s > _STALLED_S:
            raise DemoError(f"no new clip for {_STALLED_S:g} s (log: {cloud.log})")
