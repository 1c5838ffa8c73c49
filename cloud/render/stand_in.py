"""Clips in which each person is a stand-in: nothing of what the scene looked like is looked at.

    caption --words for people, what they wear--> figures                   ... goes to the renderer
    motion, cut, times -----------------------------------------------------'
    appearance code, embedding --x                                          ... does not

Where in a coarse code people are nobody can say for sure, so none of it is drawn. A scene is drawn on a
picture of the place without people, an anchor, or on grey ground. The renderer `preview` draws a figure where
motion says that something moves, if the caption speaks of people, and a plain block if it does not.
"""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.render.people import speaks_of_people, without_identities
from cloud.render.renderer import RenderError
from wire.motion import Motion, ObjectMotion
from wire.segment import Segment

GROUND = 96  # grey, where there is no picture of the place
_SKIN = (176, 176, 176)
_EDGE = (64, 64, 64)
_BLOCK = (132, 132, 132)

_NOWHERE = (
    "stand_in: the caption speaks of people, and no track of motion says where they are, so no figure can be "
    "drawn for them"
)
_NOT_KNOWN = "stand_in: there is neither a caption nor motion, so nobody knows whether there are people"

Picture = NDArray[np.uint8]


def anonymous(segment: Segment) -> Segment:
    """Give what may be looked at of a segment whose people are drawn as stand-ins."""
    caption = None if segment.caption is None else without_identities(segment.caption)
    return replace(segment, caption=caption, tokens=None, vector=None, memory=None)


def with_planes(segment: Segment, planes: int) -> Segment:
    """Give what may be looked at of a segment with so many planes of its appearance code at most."""
    if segment.tokens is None or len(segment.tokens) <= planes:
        return segment
    return replace(segment, tokens=segment.tokens[:planes] if planes else None)


def draw(segment: Segment, ground: Picture | None, shares: Sequence[float], size: tuple[int, int]) -> Picture:
    """Draw the frames (T, H, W, 3) of an `anonymous` segment at times 0..1 of it; `size` is width, height.

    Raises RenderError where it cannot be known where people are, or whether there are any.
    """
    width, height = size
    motion = segment.motion or Motion()
    people = segment.caption is None or speaks_of_people(segment.caption)
    if people and not motion.objects:
        raise RenderError(_NOT_KNOWN if segment.caption is None else _NOWHERE)
    if ground is None:
        empty = np.full((height, width, 3), GROUND, np.uint8)
    else:
        empty = np.asarray(cv2.resize(ground, size, interpolation=cv2.INTER_AREA), np.uint8)
    frames = np.empty((len(shares), height, width, 3), np.uint8)
    for frame, share in zip(frames, shares, strict=True):
        frame[:] = empty
        for item in motion.objects:
            _draw(frame, _box(item, share, size), people=people)
    return frames


def _box(item: ObjectMotion, share: float, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Give left, top, width and height in pixels."""
    across, down = item.displacement_at(share)
    width, height = item.width * size[0], item.height * size[1]
    return (item.x + across) * size[0] - width / 2, (item.y + down) * size[1] - height / 2, width, height


def _draw(frame: Picture, box: tuple[float, float, float, float], *, people: bool) -> None:
    left, top, width, height = box
    line = max(round(min(frame.shape[:2]) / 160), 1)
    if not people:
        corners = (round(left), round(top)), (round(left + width), round(top + height))
        cv2.rectangle(frame, *corners, _BLOCK, cv2.FILLED)
        cv2.rectangle(frame, *corners, _EDGE, line, cv2.LINE_AA)
        return
    middle, head = left + width / 2, min(height / 7, width / 2)
    body = np.array(
        [
            (middle - width * 0.36, top + 2.2 * head), (middle + width * 0.36, top + 2.2 * head),
            (middle + width * 0.22, top + height), (middle - width * 0.22, top + height),
        ]
    ).round().astype(np.int32)  # fmt: skip
    for colour, thickness in ((_SKIN, cv2.FILLED), (_EDGE, line)):
        outline = [body.reshape(-1, 1, 2)]
        if thickness == cv2.FILLED:
            cv2.fillPoly(frame, outline, colour, cv2.LINE_AA)
        else:
            cv2.polylines(
                frame, outline, isClosed=True, color=colour, thickness=thickness, lineType=cv2.LINE_AA
            )
        centre = (round(middle), round(top + head))
        cv2.circle(frame, centre, max(round(head), 1), colour, thickness, cv2.LINE_AA)
