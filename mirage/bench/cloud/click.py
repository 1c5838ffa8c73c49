"""How long a viewer waits from a click until the first picture: of clips that are there, and that are not.

                     clip's MP4, as page and programs ask for it    interval's playlist (HLS)
    ready            GET clips/ID.mp4: 200, decoded                 GET clips.m3u8, init, fragment: decoded
    to be rendered   GET: 202; again after Retry-After: 200         the same, and waits for the renderer

Every request goes to `mirage cloud run`, which renders with the bundle's renderer in a thread of its own.
"""

import time
from collections.abc import Callable, Sequence
from itertools import islice

from mirage.bench.cloud.device import reel
from mirage.bench.cloud.stage import Stage, stage
from mirage.bench.cloud.timing import p95, summary
from mirage.bench.report import Gate
from mirage.demo.client import SegmentView
from mirage.errors import DemoError
from mirage.recordings import Opened

READY_S = 1.0  # beyond it a user's train of thought breaks (Nielsen, Usability Engineering, 1993, 5.5)
RENDERED_S = 4.0  # that of `mirage bench render` for one segment
_PAST_MS = 3_600_000
_SPARE = 4  # moving segments that are seen by nobody in between, so that no clip helps another

Measured = tuple[dict[str, object], tuple[Gate, ...]]


def measure(opened: Opened, samples: int, done: Callable[[], None]) -> Measured:
    """Click `samples` times in each of four ways; `done` is called after each click. Raises DemoError."""
    moving = sum(not segment.still for segment in opened.segments())
    wanted = 2 * samples + _SPARE
    count = -(-wanted * len(opened.recording.packets) // moving) if moving else 0
    with stage(opened, on_ms=_PAST_MS) as up:
        for packet in islice(reel(opened, 0), count):
            up.device.publish(packet)
        chosen = [segment for segment in up.stored(count) if not segment.still][:wanted]
        if len(chosen) < wanted:
            raise DemoError(f"{len(chosen)} segments move, {wanted} are needed")
        up.viewer.see_clip(chosen.pop(0).id)  # loads the model
        first, second = chosen[:samples], chosen[-samples:]
        took = _clicks(up, first, second, done)
        rendering = [segment.clip.render_ms / 1000 for segment in up.client.segments() if segment.clip]
        broker = up.broker
    results: dict[str, object] = {name: summary(each) for name, each in took.items()}
    results |= {"broker": broker, "renderer": summary(rendering)}
    ready = took["ready_clip"] + took["ready_playlist"]
    rendered = took["rendered_clip"] + took["rendered_playlist"]
    return results, (
        Gate.at_most("click to picture, ready, p95", p95(ready), "s", READY_S),
        Gate.at_most("click to picture, rendered, p95", p95(rendered), "s", RENDERED_S),
    )


def _clicks(
    up: Stage, clips: Sequence[SegmentView], intervals: Sequence[SegmentView], done: Callable[[], None]
) -> dict[str, list[float]]:
    def rendered_clip(segment: SegmentView) -> None:
        if up.viewer.see_clip(segment.id):
            raise DemoError(f"clip {segment.id} was there already")

    def ready_clip(segment: SegmentView) -> None:
        with up.viewer.another() as viewer:
            if not viewer.see_clip(segment.id):
                raise DemoError(f"clip {segment.id} is not there any more")

    def playlist(segment: SegmentView) -> None:
        middle_ms = segment.start_ms + segment.duration_ms // 2
        with up.viewer.another() as viewer:
            viewer.see_interval(middle_ms, middle_ms + 1)

    return {
        "rendered_clip": [_timed(rendered_clip, each, done) for each in clips],
        "rendered_playlist": [_timed(playlist, each, done) for each in intervals],
        "ready_clip": [_timed(ready_clip, each, done) for each in clips],
        "ready_playlist": [_timed(playlist, each, done) for each in intervals],
    }


def _timed(look: Callable[[SegmentView], None], segment: SegmentView, done: Callable[[], None]) -> float:
    began_s = time.perf_counter()
    look(segment)
    took_s = time.perf_counter() - began_s
    done()
    return took_s
