"""Whether anything of a hidden zone can be recovered.

    frame A outside of the zone,
    frame B inside of it --zone filled--> tokens --decoder--> what is seen in the zone
                                                                       |
                                              nearer to B (the truth) than to C (any other)?

Truth and surroundings are of different clips: else a decoder that goes on with what is around a zone would be
right now and then, without anything having leaked. Two-sided: 0.5 is what nothing at all gives.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.appearance import AppearanceEncoder
from edge.frame import Frame
from edge.privacy.detectors import NONE
from edge.privacy.redactor import Redactor
from mirage.bench.quality.statistics import Estimate, estimate
from wire.policy.zones import Zone

BOXES = ((0.3, 0.2, 0.7, 0.8), (0.0, 0.0, 0.45, 1.0), (0.5, 0.5, 0.95, 0.95))  # in shares
OTHERS = 8  # frames that the truth is compared with
_PX = 24  # what is recovered and the truth are compared at this size, means taken off

Picture = NDArray[np.uint8]  # (H, W, 3)
Box = tuple[float, float, float, float]  # left, top, right, bottom, as shares
Draw = Callable[[NDArray[np.uint8]], Picture]  # tokens (D, h, w) -> picture
Look = Callable[[Picture], NDArray[np.float32]]  # a part of a picture -> a vector of unit length


class Recovered(msgspec.Struct, frozen=True):
    """How often what is seen in a zone is nearer to the truth than to another frame's same zone.

    Intervals draw all attempts on one truth together: some pictures are near to whatever a decoder draws.

    hidden     with the zone filled: 0.5 where nothing is recovered
    shown      with nothing filled: shows that the comparison can tell
    margin     mean difference of the two similarities, hidden
    differing  codes that changed with what was behind the zone, of `count`
    """

    hidden: Estimate
    shown: Estimate
    margin: Estimate
    differing: int
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    truth: int
    hidden: float
    shown: float
    margin: float
    differs: bool


def recover(
    pictures: Sequence[Picture],
    encoder: AppearanceEncoder,
    draw: Draw,
    look: Look,
    count: int,
    done: Callable[[], None],
    seed: int = 0,
) -> Recovered:
    """Hide a zone in `count` pictures made of two of `pictures`, one of each clip, all of the same size.

    Raises ValueError for fewer pictures than a comparison takes.
    """
    if len(pictures) < OTHERS + 2:
        raise ValueError(f"{len(pictures)} pictures are too few: {OTHERS + 2} at least")
    chance = np.random.default_rng(seed)
    answers = list[_Answer]()
    for number in range(count):
        outside, truth, *others = chance.permutation(len(pictures))[: OTHERS + 2]
        cast = [pictures[place] for place in (outside, truth, *others)]
        box = BOXES[number % len(BOXES)]
        answers.append(_attempt(int(truth), cast, box, encoder, draw, look))
        done()
    truths = [each.truth for each in answers]
    return Recovered(
        hidden=_estimated([each.hidden for each in answers], truths),
        shown=_estimated([each.shown for each in answers], truths),
        margin=_estimated([each.margin for each in answers], truths),
        differing=sum(each.differs for each in answers),
        count=count,
    )


def _attempt(
    number: int, cast: Sequence[Picture], box: Box, encoder: AppearanceEncoder, draw: Draw, look: Look
) -> _Answer:
    outside, truth, *others = cast
    made, another = (_with(outside, each, box) for each in (truth, others[0]))
    tokens = encoder.encode(hidden(made, box))
    wanted, *wrong = (look(_part(each, box)) for each in (truth, *others))

    def similarities(picture: Picture) -> tuple[float, NDArray[np.float64]]:
        seen = look(_part(sized(picture, outside.shape[1::-1]), box))
        return float(seen @ wanted), np.array([float(seen @ each) for each in wrong])

    right, rest = similarities(draw(tokens))
    shown_right, shown_rest = similarities(draw(encoder.encode(made)))
    return _Answer(
        truth=number,
        hidden=_above(right, rest),
        shown=_above(shown_right, shown_rest),
        margin=float(right - rest.mean()),
        differs=bool((tokens != encoder.encode(hidden(another, box))).any()),
    )


def hidden(picture: Picture, box: Box) -> Picture:
    """Fill a zone as a camera does."""
    (frame,) = Redactor().push(Frame(0, picture), NONE, (Zone(box=box),), ahead=0)
    return frame.rgb


def pixels(part: Picture) -> NDArray[np.float32]:
    """Compare by pixels: what is brighter or redder than the rest of the part."""
    small = cv2.resize(part, (_PX, _PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    vector = (small - small.mean((0, 1))).ravel()
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9), np.float32)


def _above(right: float, rest: NDArray[np.float64]) -> float:
    """Share of the others that the truth is nearer than; an equal one counts half."""
    return float(((right > rest) + 0.5 * (right == rest)).mean())


def _part(picture: Picture, box: Box) -> Picture:
    left, top, right, bottom = _corners(picture, box)
    return picture[top:bottom, left:right]


def _with(outside: Picture, inside: Picture, box: Box) -> Picture:
    left, top, right, bottom = _corners(outside, box)
    made = outside.copy()
    made[top:bottom, left:right] = inside[top:bottom, left:right]
    return made


def _corners(picture: Picture, box: Box) -> tuple[int, ...]:
    height, width = picture.shape[:2]
    return tuple(round(share * side) for share, side in zip(box, (width, height) * 2, strict=True))


def sized(picture: Picture, size: tuple[int, int]) -> Picture:
    """Scale to width and height."""
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _estimated(values: Sequence[float], truths: Sequence[int]) -> Estimate:
    found = estimate(values, truths)
    if found is None:
        raise ValueError("nothing was compared")
    return found
