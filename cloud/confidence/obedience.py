"""Whether a renderer heeds what it is told: rendered again with what another scene said, and compared.

    shot A  --its own words and codes----> picture --described--> A'     A' like A, B' like B: it obeys
            --those of another scene B---> picture --described--> B'     A' and B' the same: it ignores them

    obedience = (A'~A + B'~B - A'~B - B'~A) / (2 - A~B - B~A)      ~ is the likeness of codes

1 where both pictures say what they were told, exactly 0 where nothing that was told makes a difference: no
scale and no calibration is needed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from cloud.confidence.assessor import keyframe_of
from cloud.confidence.reader import Reader
from cloud.render.clip import render_segment
from cloud.render.renderer import Renderer, RenderError, output_rate
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment

OBEYS = 0.25  # median from which on a renderer is said to obey
_APART = 0.1  # scenes whose codes are more alike than 1 minus this tell nothing


@dataclass(frozen=True, slots=True)
class Shot:
    """A segment to be rendered by itself, without its neighbours."""

    name: str
    segment: Segment
    camera: CameraInfo
    policy: Policy


@dataclass(frozen=True, slots=True)
class Compared:
    """One shot, rendered with its own conditioning and with that of `other`."""

    shot: str
    other: str
    obedience: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all comparisons together say; `obedience` is their median, None where there was none."""

    renderer: str
    obedience: float | None
    compared: Sequence[Compared]

    @property
    def obeys(self) -> bool | None:
        """Tell; None where nothing could be compared."""
        return None if self.obedience is None else self.obedience >= OBEYS


def compare(
    renderer: Renderer, reader: Reader, shots: Sequence[Shot], seed: int, done: Callable[[], None]
) -> Verdict:
    """Compare each shot with the one of another scene that is least like it; `done` is called after each.

    Shots without a code that can be compared, and those of scenes that are all alike, are left out. Raises
    RenderError.
    """
    found = []
    for shot in shots:
        other = _least_alike(reader, shot, shots)
        if other is not None and (value := _obedience(renderer, reader, shot, other, seed)) is not None:
            found.append(Compared(shot.name, other.name, round(value, 3) + 0.0))  # -0.0 is 0.0
        done()
    middle = round(median(each.obedience for each in found), 3) if found else None
    return Verdict(renderer.name, middle, found)


def _least_alike(reader: Reader, shot: Shot, shots: Sequence[Shot]) -> Shot | None:
    likenesses = [(reader.alike(shot.segment, other.segment), other) for other in shots if other is not shot]
    known = [(value, other) for value, other in likenesses if value is not None and value < 1 - _APART]
    return min(known, key=lambda each: each[0])[1] if known else None


def _obedience(renderer: Renderer, reader: Reader, shot: Shot, other: Shot, seed: int) -> float | None:
    own = shot.segment
    told = _conditioned(own, other.segment)
    seen = [_seen(renderer, reader, replace(shot, segment=each), seed) for each in (own, told)]
    pairs = ((seen[0], own), (seen[1], told), (seen[0], told), (seen[1], own), (own, told), (told, own))
    alike = [None if one is None else reader.alike(each, one) for one, each in pairs]
    if None in alike:
        return None
    values = [value for value in alike if value is not None]
    apart = 2 - values[4] - values[5]
    return (values[0] + values[1] - values[2] - values[3]) / apart


def _seen(renderer: Renderer, reader: Reader, shot: Shot, seed: int) -> Segment | None:
    frames = render_segment([shot.segment], 0, shot.camera, renderer, shot.policy, seed)
    if len(frames) == 0:
        raise RenderError(f"segment {shot.segment.sequence} is shorter than a frame")
    place = keyframe_of(shot.segment, output_rate(shot.camera, shot.policy), len(frames))
    return reader.describe(frames[place], shot.segment)


def _conditioned(segment: Segment, other: Segment) -> Segment:
    """Give a segment of the same time and number that says what another one does."""
    return replace(
        segment,
        caption=other.caption,
        motion=other.motion,
        tokens=other.tokens,
        vector=other.vector,
        memory=other.memory,
    )
