"""How late a live view is: segments in real time, and a viewer who decodes each as soon as it is listed.

    captured --the agent's time for it--> made --broker--> stored --renderer--> listed --viewer--> playable

A segment is late by what passed from the end of its capture until its first picture was decoded, and by
its whole length more for who asks how old the first picture is.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

from mirage.bench.cloud.device import Device, reel
from mirage.bench.cloud.stage import Stage, stage
from mirage.bench.cloud.timing import p95, summary
from mirage.bench.cloud.viewer import Listed, LiveReport, Viewer
from mirage.bench.report import Gate
from mirage.errors import DemoError
from mirage.recordings import Opened
from wire.packet import Packet

SEGMENT_S = 2.0  # as HLS cuts it, and as a device does where something moves
TARGET_SEGMENTS = 3.0
_FIRST = 3  # segments before anyone looks: a view begins where something is
_TAIL_S = 30.0  # for what is still to come in the end
_LOOK_S = 0.25
_STEPS = (
    "captured_to_made", "made_to_stored", "stored_to_listed", "listed_to_playable", "captured_to_playable",
)  # fmt: skip

Measured = tuple[dict[str, object], tuple[Gate, ...]]


@dataclass(slots=True)
class _Seen:
    """What the viewer has seen: by segment when its first picture was decoded, in ms of the Unix epoch."""

    playable_ms: dict[int, int] = field(default_factory=dict)
    listed: dict[int, Listed] = field(default_factory=dict)
    join_s: float | None = None
    trouble: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Made:
    """A segment on its device, in ms of the Unix epoch."""

    ended_ms: int
    made_ms: int


def measure(opened: Opened, describe_s: float, segments: int, done: Callable[[], None]) -> Measured:
    """Film `segments` segments in real time, each described in `describe_s`; `done` is called after each.

    Raises DemoError.
    """
    with stage(opened) as up:
        begin_ms = up.device.now_ms() + 500
        packets = list(islice(reel(opened, begin_ms), _FIRST + segments))
        for packet in packets[:_FIRST]:
            _film(up.device, packet, describe_s)
        with up.viewer.another() as reader, _watching(up.viewer) as seen:
            made = dict[int, _Made]()
            for packet in packets[_FIRST:]:
                made[packet.sequence] = _film(up.device, packet, describe_s)
                _note(reader, seen)
                done()
            _await(up, seen, packets[-1])
            report = _note(reader, seen)
        known = {segment.id: segment for segment in up.client.segments()}
        broker = up.broker
    if seen.trouble is not None:
        raise DemoError(f"the live view: {seen.trouble}") from seen.trouble
    steps = _steps({known[number].sequence: number for number in seen.playable_ms}, made, seen)
    rendering = [each.clip.render_ms / 1000 for each in known.values() if each.clip is not None]
    return _results(steps, report, len(made), seen, rendering, broker)


def _film(device: Device, packet: Packet, describe_s: float) -> _Made:
    """Wait until a segment is over and described, and publish it."""
    end_ms = packet.captured_ms + packet.duration_ms
    time.sleep(max(0.0, (end_ms - device.now_ms()) / 1000 + describe_s))
    return _Made(device.wall_ms(end_ms), device.publish(packet))


@contextmanager
def _watching(viewer: Viewer) -> Iterator[_Seen]:
    """Look at the live view as its player does, while the body runs."""
    seen, stop = _Seen(), threading.Event()
    thread = threading.Thread(target=_watch, args=(viewer, seen, stop), name="viewer")
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def _watch(viewer: Viewer, seen: _Seen, stop: threading.Event) -> None:
    began_s, following = time.perf_counter(), None
    try:
        while not stop.is_set():
            entries = [each for each in viewer.live(following) if each.number >= (following or 0)]
            if following is None:
                entries = entries[-1:]  # who joins does not catch up with the past
            for entry in entries:
                viewer.see(entry)
                if not entry.held:
                    seen.playable_ms.setdefault(entry.segment, time.time_ns() // 1_000_000)
                if seen.join_s is None:
                    seen.join_s = time.perf_counter() - began_s
                following = entry.number + 1
            if not entries:
                stop.wait(_LOOK_S)
    except DemoError as error:
        seen.trouble = error


def _note(reader: Viewer, seen: _Seen) -> LiveReport:
    """Keep what the live view tells of its last segments."""
    report = reader.live_report()
    seen.listed.update({each.segment: each for each in report.recent})
    return report


def _await(up: Stage, seen: _Seen, packet: Packet) -> None:
    """Wait until the last segment was seen, or will not be."""
    last = next(each.id for each in up.stored(packet.sequence + 1) if each.sequence == packet.sequence)
    end_s = time.monotonic() + _TAIL_S
    while last not in seen.playable_ms and seen.trouble is None and time.monotonic() < end_s:
        time.sleep(_LOOK_S)


def _steps(segment_of: Mapping[int, int], made: Mapping[int, _Made], seen: _Seen) -> dict[str, list[float]]:
    """Give how long each step of each segment took that was seen from capture to picture, in s."""
    steps: dict[str, list[float]] = {name: [] for name in _STEPS}
    for sequence, segment in segment_of.items():
        if sequence not in made or segment not in seen.listed:
            continue
        listed = seen.listed[segment]
        times_ms = (
            made[sequence].ended_ms, made[sequence].made_ms, listed.stored_ms, listed.listed_ms,
            seen.playable_ms[segment], made[sequence].ended_ms,
        )  # fmt: skip
        for number, name in enumerate(_STEPS):
            steps[name].append(abs(times_ms[number + 1] - times_ms[number]) / 1000)
    if not steps["captured_to_playable"]:
        raise DemoError("nothing of the live view was seen")
    return steps


def _results(
    steps: Mapping[str, Sequence[float]],
    report: LiveReport,
    made: int,
    seen: _Seen,
    rendering: Sequence[float],
    broker: str,
) -> Measured:
    whole = steps["captured_to_playable"]
    behind = p95(whole) / SEGMENT_S
    results: dict[str, object] = {
        "broker": broker,
        "segments_made": made,
        "segments_seen": len(whole),
        "late": report.late,
        "failed": report.failed,
        "held": report.held,
        "join_s": seen.join_s,
        **{name: summary(took) for name, took in steps.items()},
        "segments_behind_median": summary(whole)["s_median"] / SEGMENT_S,
        "segments_behind_p95": behind,
        "renderer": summary(rendering),
    }
    return results, (
        Gate.at_most("live view behind capture, p95", behind, "segments of 2 s", TARGET_SEGMENTS),
    )
