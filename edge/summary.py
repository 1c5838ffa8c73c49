"""What a run of the agent did."""

from collections import Counter, deque
from dataclasses import dataclass

from edge.pipeline import Described
from edge.stock import Backlog
from wire.packet import layer_label

_KEPT = 256  # segments reported one by one; an agent runs for months


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """One segment: what was said, and what it cost."""

    camera: str
    sequence: int
    start_ms: int
    duration_ms: int
    caption: str | None
    still: bool
    packet_bytes: int
    layers: dict[str, int]  # bytes by layer
    timings_ms: dict[str, float]  # by stage


@dataclass(frozen=True, slots=True)
class CameraReport:
    """One camera as far as it was read; `end_us` of its last frame is since the first, live: since boot."""

    camera: str
    width: int
    height: int
    fps: float
    frames: int
    end_us: int


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Counts of a whole run; `segments` are the last few hundred.

    `encode_s` is from the first capture to the last packet in the spool; the models were loaded before.
    """

    packets: int
    still_segments: int
    packet_bytes: int
    layers: dict[str, int]
    dropped_segments: int  # the encoders were too slow for a live camera
    dropped_packets: int  # the spool was too large or too old, or the disk full; gap records name them
    shed_details: int  # packets that lost their detail layer for room in the spool
    shed_bytes: int  # of both
    pending_packets: int  # not acknowledged by the cloud; they stay in the spool
    pending_gaps: int  # gap records, likewise
    encode_s: float
    sent_bytes: dict[str, int]  # by kind (wire/spent.py), as the ledger has them: everything that went up
    cameras: tuple[CameraReport, ...]
    segments: tuple[SegmentReport, ...]


class Tally:
    """Adds up; one thread writes."""

    def __init__(self) -> None:
        self._packets = 0
        self._still = 0
        self._bytes = 0
        self._layers: Counter[str] = Counter()
        self._segments: deque[SegmentReport] = deque(maxlen=_KEPT)
        self._encode_s = 0.0

    def add(self, camera: str, described: Described, body: bytes) -> SegmentReport:
        """Count one packet of a camera, written as `body`."""
        report = SegmentReport(
            camera=camera,
            sequence=described.packet.sequence,
            start_ms=described.segment.start_ms,
            duration_ms=described.segment.duration_ms,
            caption=described.segment.caption,
            still=described.segment.still,
            packet_bytes=len(body),
            layers={layer_label(layer): len(data) for layer, data in described.packet.layers.items()},
            timings_ms=described.timings.by_stage(),
        )
        self._packets += 1
        self._still += report.still
        self._bytes += report.packet_bytes
        self._layers.update(report.layers)
        self._segments.append(report)
        return report

    def took(self, encode_s: float) -> None:
        """Note how long capturing and encoding took."""
        self._encode_s = encode_s

    def summary(
        self,
        cameras: tuple[CameraReport, ...],
        dropped_segments: int,
        backlog: Backlog,
        sent_bytes: dict[str, int],
    ) -> RunSummary:
        """Close the books."""
        return RunSummary(
            packets=self._packets,
            still_segments=self._still,
            packet_bytes=self._bytes,
            layers=dict(self._layers),
            dropped_segments=dropped_segments,
            dropped_packets=backlog.dropped,
            shed_details=backlog.shed_details,
            shed_bytes=backlog.shed_bytes,
            pending_packets=backlog.packets,
            pending_gaps=backlog.gaps,
            encode_s=self._encode_s,
            sent_bytes=sent_bytes,
            cameras=cameras,
            segments=tuple(self._segments),
        )
