"""Zones and boxes as pixels, filled with one grey: nothing of what was there remains, not even its mean."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.privacy.detectors import Boxes
from wire.policy.zones import Zone

FILL = 128
Mask = NDArray[np.bool_]  # (h, w), true where nothing may be seen

_FRACTION_BITS = 4  # of a pixel, with which corners are drawn


def zone_mask(zones: Sequence[Zone], height: int, width: int) -> Mask:
    """Draw zones: masked is what is in one that is never seen, or outside of all that are the only ones seen.

    A pixel at an edge may be a mean of both sides, so the mask is a pixel wider than the zones say.
    """
    never, only = (_drawn(zones, see, height, width) for see in ("never", "only"))
    masked = _inside(_wider(never))
    if any(zone.see == "only" for zone in zones):
        masked |= _wider(~_inside(only))
    return masked


def boxes_mask(boxes: Boxes, height: int, width: int) -> Mask:
    """Draw boxes (N, 4), by whole pixels and outwards."""
    masked = np.zeros((height, width), np.bool_)
    sides = np.array((width, height, width, height), np.float32)
    corners = boxes * sides
    for left, top, right, bottom in np.concatenate(
        (np.floor(corners[:, :2]), np.ceil(corners[:, 2:])), axis=1
    ):
        masked[int(top) : int(bottom), int(left) : int(right)] = True
    return masked


def filled(rgb: NDArray[np.uint8], masked: Mask) -> NDArray[np.uint8]:
    """Give a picture (H, W, 3) of which nothing is seen where the mask (H, W) is true."""
    return np.where(masked[..., None], np.uint8(FILL), rgb)


def _drawn(zones: Sequence[Zone], see: str, height: int, width: int) -> Mask:
    """Draw with a margin of a pixel: what is thinner than one, and at an edge, may come to lie beyond it."""
    canvas = np.zeros((height + 2, width + 2), np.uint8)
    scale = np.array((width, height)) * (1 << _FRACTION_BITS)
    half = (1 << _FRACTION_BITS) / 2  # OpenCV counts from the middle of a pixel, here of one of the margin
    for zone in zones:
        if zone.see == see:
            corners = np.round(np.array(zone.corners) * scale + half).astype(np.int32)
            cv2.fillPoly(canvas, [corners], 1, shift=_FRACTION_BITS)
    return canvas.astype(np.bool_)


def _inside(masked: Mask) -> Mask:
    return masked[1:-1, 1:-1]


def _wider(masked: Mask) -> Mask:
    kernel = np.ones((3, 3), np.uint8)
    return np.asarray(cv2.dilate(masked.astype(np.uint8), kernel), np.bool_)
