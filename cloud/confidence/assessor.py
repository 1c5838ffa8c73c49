"""Tells of each clip how near it is to what was received.

    frames --the one at the keyframe's time--> picture --the sender's encoder--> code
    received code --------------------------------------------------- alike? ----'--calibrated--> score

What is measured is whether the renderer drew what it was told, not whether what it was told is true; and of
one frame, before the mark and before H.264. What cannot be measured is unknown, and says why.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import structlog
from numpy.typing import NDArray

from cloud.confidence.calibration import Calibration, calibration_of
from cloud.confidence.codes import equal_shares
from cloud.confidence.reader import Reader
from cloud.render.renderer import RenderError, frame_span
from wire.bundle import Bundle, BundleError
from wire.packet import PacketError
from wire.segment import Segment

Frames = NDArray[np.uint8]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Assessment:
    """How sure a clip is: `score` 0 to 1, None with the reason, `why`.

    `likeness` of the codes by `measure`, before it is calibrated; `planes` is the share of equal tokens in
    each; `at_ms` is when the keyframe is, from the segment's start.
    """

    score: float | None
    why: str | None = None
    measure: str | None = None
    likeness: float | None = None
    planes: tuple[float | None, ...] = ()
    at_ms: int | None = None

    @property
    def stated(self) -> dict[str, object]:
        """Say it as documents do: without what is not known."""
        found: dict[str, object] = {"score": self.score}
        if self.why is not None:
            found["why"] = self.why
        if self.likeness is not None:
            found |= {"measure": self.measure, "likeness": self.likeness, "at_ms": self.at_ms}
        if self.planes:
            found["planes"] = list(self.planes)
        return found


class Assessor:
    """Assesses clips of any bundle; what it needs of one is loaded when it is first seen. For one thread."""

    def __init__(self, load: Callable[[Bundle], Reader] = Reader) -> None:
        self._load = load
        self._readers: dict[str, Reader | str] = {}
        self._scales: dict[str, Calibration | str] = {}

    def assess(self, bundle: Bundle, segment: Segment, frames: Frames, rate: Fraction) -> Assessment:
        """Tell how sure the frames (T, H, W, 3) of a segment are, at `rate` a second."""
        reader = self._reader(bundle)
        if isinstance(reader, str):
            return Assessment(None, reader)
        try:
            seen = reader.describe(frames[keyframe_of(segment, rate, len(frames))], segment)
        except (RenderError, PacketError) as error:
            return Assessment(None, str(error))
        likeness = None if seen is None else reader.alike(segment, seen)
        if seen is None or likeness is None:
            return Assessment(None, "no code of what the keyframe looks like was received")
        planes: list[float | None] = []
        if segment.tokens is not None and seen.tokens is not None:
            planes = equal_shares(segment.tokens, seen.tokens)
        scale = self._scale(bundle)
        return Assessment(
            score=None if isinstance(scale, str) else scale.score(likeness),
            why=scale if isinstance(scale, str) else None,
            measure=reader.measure,
            likeness=round(likeness, 4),
            planes=tuple(planes),
            at_ms=segment.keyframe_ms,
        )

    def _reader(self, bundle: Bundle) -> Reader | str:
        """Give what describes pictures, or why there is nothing: once and for all."""
        if bundle.sha256 not in self._readers:
            try:
                self._readers[bundle.sha256] = self._load(bundle)
            except BundleError as error:
                log.warning("clips are not assessed", bundle=bundle.short_sha256, why=str(error))
                self._readers[bundle.sha256] = "the sender's encoder of this bundle is not here"
        return self._readers[bundle.sha256]

    def _scale(self, bundle: Bundle) -> Calibration | str:
        if bundle.sha256 not in self._scales:
            try:
                self._scales[bundle.sha256] = calibration_of(bundle)
            except BundleError as error:
                log.warning("clips have no score", bundle=bundle.short_sha256, why=str(error))
                self._scales[bundle.sha256] = "this bundle is not calibrated: mirage bench confidence"
        return self._scales[bundle.sha256]


def keyframe_of(segment: Segment, rate: Fraction, count: int) -> int:
    """Say which of a clip's `count` frames is nearest to the time of the keyframe."""
    first, _ = frame_span(segment, rate)
    place = round((segment.start_ms + segment.keyframe_ms) * rate / 1000) - first
    return min(max(place, 0), count - 1)
