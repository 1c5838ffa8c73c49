"""Which frames are diffused for a segment, when they are, and which pictures they go through. Pure.

    shown       first ............. end              at the output's rate
    diffused    c c c 0 1 2 3 4 5 6 7 | 8 9          at the model's rate; a count that the model takes
                '-lead                 '-- beyond the segment, up to the next keyframe

A model takes frames in numbers of stride * n + 1 only, and so many at most: a longer segment is diffused
at a lower rate. Each frame that is shown is the diffused one nearest in time: none is invented.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Source = Literal["keyframe", "next"] | int  # an anchor by its number


@dataclass(frozen=True, slots=True)
class Shown:
    """The frames of the output: `first` to `end` - 1 on the camera's clock, `rate` a second."""

    first: int
    end: int
    rate: Fraction

    @property
    def begin_ms(self) -> Fraction:
        """When the first one is."""
        return self.time_ms(self.first)

    @property
    def last_ms(self) -> Fraction:
        """When the last one is."""
        return self.time_ms(self.end - 1)

    def time_ms(self, frame: int) -> Fraction:
        """When a frame is."""
        return frame * 1000 / self.rate


@dataclass(frozen=True, slots=True)
class Limits:
    """What a model can do: frames a second (0: any), frames at once, and of what numbers.

    `lead`: how many frames of the clip before it takes at most, also of stride * n + 1.
    """

    rate: Fraction
    frames: int
    stride: int
    lead: int


@dataclass(frozen=True, slots=True)
class Span:
    """Diffused frames: number k is at `begin_ms` + 1000 k / `rate`; the first `lead` are carried ones."""

    count: int
    rate: Fraction
    begin_ms: Fraction
    lead: int

    @property
    def end_ms(self) -> Fraction:
        """When the last one is."""
        return self.begin_ms + (self.count - 1) * 1000 / self.rate

    def index(self, time_ms: Fraction) -> int:
        """Give the frame of this clip that is nearest to a time."""
        return min(max(_nearest((time_ms - self.begin_ms) * self.rate / 1000), self.lead), self.count - 1)

    def indices(self, shown: Shown) -> NDArray[np.intp]:
        """Give the diffused frame for each that is shown (T,)."""
        frames = range(shown.first, shown.end)
        return np.array([self.index(shown.time_ms(frame)) for frame in frames], np.intp)


@dataclass(frozen=True, slots=True)
class Slot:
    """A picture that the diffused frames go through at `index`."""

    source: Source
    index: int
    strength: float


@dataclass(frozen=True, slots=True)
class Pictures:
    """What there is to go through: when the keyframe and the next are, and how many anchors there are."""

    keyframe_ms: Fraction | None
    next_ms: Fraction | None
    anchors: int
    keyframe_strength: float
    anchor_strength: float


def plan_span(shown: Shown, limits: Limits, carried: int, reach_ms: Fraction | None = None) -> Span:
    """Choose the frames to diffuse for what is shown (at least one frame), going on from `carried` ones.

    Up to `reach_ms` at least, where that is more.
    """
    rate = limits.rate or shown.rate
    most = _below(limits.frames, limits.stride)
    lead = _lead(min(carried, limits.lead), rate, shown.rate, limits.stride) if most > 1 else 0
    begin_ms = shown.begin_ms - (1000 / shown.rate if lead else 0)
    duration_ms = max(shown.last_ms, reach_ms or shown.last_ms) - begin_ms
    for leading in (lead, min(lead, 1)):
        behind = max(leading - 1, 0)
        count = _above(behind + ceil(duration_ms * rate / 1000) + 1, limits.stride)
        if count <= most:
            return Span(count, rate, begin_ms - behind * 1000 / rate, leading)
    slower = (most - 1) * 1000 / duration_ms if most > 1 else rate
    return Span(most, slower, begin_ms, min(lead, 1))


def reach(shown: Shown, next_ms: Fraction | None) -> Fraction | None:
    """Say how far to diffuse for the next keyframe: not if that were more than the segment once again."""
    if next_ms is None or next_ms - shown.last_ms > shown.time_ms(shown.end) - shown.begin_ms:
        return None
    return next_ms


def carried_indices(span: Span, shown: Shown, carried: int) -> NDArray[np.intp]:
    """Say which of the last `carried` frames of the clip before lead the diffused ones (lead,)."""
    back = [_nearest((span.lead - 1 - k) * shown.rate / span.rate) for k in range(span.lead)]
    return np.array([max(carried - 1 - steps, 0) for steps in back], np.intp)


def timed_slots(span: Span, pictures: Pictures) -> tuple[Slot, ...]:
    """Put each picture where it belongs in time, and anchors at an end where nothing else is."""
    slots: list[Slot] = []
    anchors = iter(range(pictures.anchors))
    if pictures.keyframe_ms is not None:
        slots = [Slot("keyframe", span.index(pictures.keyframe_ms), pictures.keyframe_strength)]
    elif not span.lead:
        slots = _anchor(anchors, 0, pictures)
    last = span.count - 1
    if pictures.next_ms is not None:
        ending = [Slot("next", span.index(pictures.next_ms), pictures.keyframe_strength)]
    else:
        ending = _anchor(anchors, last, pictures)
    taken = {slot.index for slot in slots}
    return tuple(slot for slot in (*slots, *ending) if slot in slots or slot.index not in taken)


def end_slots(span: Span, pictures: Pictures, *, both: bool) -> tuple[Slot, ...]:
    """Put pictures where a model takes them that knows a first frame only, or `both` first and last.

    Keyframes are taken for the ends of their segment: so one clip ends with the picture that the next begins
    with, and a carried frame may be the first. With one place, the keyframe has it before a carried frame,
    or the clips would drift away from what was seen. Without a first picture there is no last.
    """
    last, strength = span.count - 1, pictures.keyframe_strength
    anchors = iter(range(pictures.anchors))
    first: list[Slot] = []
    if pictures.keyframe_ms is not None and not (span.lead and both):
        first = [Slot("keyframe", 0, strength)]
    elif not span.lead:
        first = _anchor(anchors, 0, pictures)
    if not both or last == 0 or not (first or span.lead):
        return tuple(first)
    if pictures.next_ms is not None:
        return (*first, Slot("next", last, strength))
    if pictures.keyframe_ms is not None and span.lead:
        return (Slot("keyframe", last, strength),)
    return (*first, *_anchor(anchors, last, pictures))


def picture_size(width: int, height: int, long_side_px: int, multiple: int) -> tuple[int, int]:
    """Give width and height to diffuse at: multiples, nearly of this aspect; long_side_px 0: of this size."""
    scale = Fraction(long_side_px, max(width, height)) if long_side_px else Fraction(1)
    across, down = (max(_nearest(side * scale / multiple), 1) * multiple for side in (width, height))
    return across, down


def _anchor(anchors: Iterator[int], index: int, pictures: Pictures) -> list[Slot]:
    """Give the next anchor its place, if there is one."""
    return [Slot(number, index, pictures.anchor_strength) for number in islice(anchors, 1)]


def _lead(carried: int, rate: Fraction, shown_rate: Fraction, stride: int) -> int:
    """Say how many diffused frames the carried ones fill in their own time; one, if they had to be repeated.

    Repeated frames would be taken for a scene that stands still.
    """
    if carried < 1:
        return 0
    if rate > shown_rate:
        return 1
    return _below(int((carried - 1) * rate / shown_rate) + 1, stride)


def _above(count: int, stride: int) -> int:
    return -(-(count - 1) // stride) * stride + 1


def _below(count: int, stride: int) -> int:
    return (count - 1) // stride * stride + 1


def _nearest(value: Fraction) -> int:
    return int((2 * value + 1) // 2)
