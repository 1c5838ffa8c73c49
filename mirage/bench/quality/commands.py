"""Motion commanded by words alone, without a motion layer.

    unseen keyframe --tokens--> segment with a caption and no motion layer --render--> frames --DIS--> verdict

How far a word of speed goes is `wire.words.WORD_SPEED`: displacement over a segment, in frames.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from math import atan2, degrees, hypot

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from cloud.render.load import load_renderer
from cloud.render.renderer import Context
from edge.appearance import AppearanceEncoder
from edge.runtime import Runtime
from mirage.bench.quality.appearance import comparison_size
from mirage.bench.quality.clips import RATE
from mirage.bench.quality.fitting import shrink
from mirage.bench.quality.flow import ANGLE_DEGREES, drift
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment
from wire.words import WORD_SPEED, ZOOM_OCTAVES

Picture = NDArray[np.uint8]  # (H, W, 3)
SEGMENT_MS = 2000
SPEED_TOLERANCE = 0.3
_ROUGHLY = 2.0  # times as far, or half as far, is still what was asked of zooms and objects
_MOVES = 0.25  # of the way that was asked: less has no direction
_RESTS = 0.015  # frames: what is called static may not go farther
_OBJECT = 0.32  # of the frame: side of the box around the cut-out
_PAUSE = 1 / 3  # of the object's way: the background may not go farther
# Kind, clips of each speed, words, and where content goes: right, down (frames per speed), octaves per speed.
_PANS = (
    ("camera pans left", 1, 0), ("camera pans right", -1, 0),
    ("camera tilts up", 0, 1), ("camera tilts down", 0, -1),
)  # fmt: skip
_ZOOMS = (("camera moves forward", 1), ("camera moves backward", -1))
_WAYS = (("right", 1, 0), ("left", -1, 0), ("down", 0, 1), ("up", 0, -1))
_STATICS = ("camera static", "nothing moves")
_SPEEDS = ("slowly", "quickly")


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked: a kind, its words, and the motion that they stand for over the whole segment."""

    kind: str
    words: str
    right: float = 0.0
    down: float = 0.0
    octaves: float = 0.0


class Verdict(msgspec.Struct, frozen=True):
    """What came of one order. `speed` is the way that was gone / the one that was asked; None for static."""

    kind: str
    words: str
    right: bool
    speed: float | None
    angle_degrees: float | None
    gone_right: float
    gone_down: float
    octaves: float


def orders(count: int) -> list[Order]:
    """Spread `count` orders: about half pans and tilts, a fifth zooms, a fifth objects, the rest static."""
    kinds = [_pans(), _zooms(), _objects(), _statics()]
    shares = [round(count * 0.48), round(count * 0.2), round(count * 0.2)]
    shares.append(count - sum(shares))
    return [order for kind, share in zip(kinds, shares, strict=True) for order in islice(kind, share)]


def _pans() -> Iterator[Order]:
    for speed in cycle(_SPEEDS):
        way = WORD_SPEED[speed]
        for words, right, down in _PANS:
            yield Order("pan", f"{words} {speed}", right * way, down * way)


def _zooms() -> Iterator[Order]:
    for speed in cycle(_SPEEDS):
        for words, sign in _ZOOMS:
            yield Order("zoom", f"{words} {speed}", octaves=sign * WORD_SPEED[speed] * ZOOM_OCTAVES)


def _objects() -> Iterator[Order]:
    for speed in cycle(_SPEEDS):
        way = WORD_SPEED[speed]
        for word, right, down in _WAYS:
            words = f"a small piece moves {word} {speed} camera static"
            yield Order("object", words, right * way, down * way)


def _statics() -> Iterator[Order]:
    for words in cycle(_STATICS):
        yield Order("static", words)


class Commander:
    """Renders orders with a bundle. Not for two threads at once."""

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        info = bundle.manifest.appearance
        self._planes = None if info is None else info.default_planes
        self._encoder = AppearanceEncoder(bundle, Runtime(threads))
        self._renderer = load_renderer(bundle, threads)

    def obey(self, order: Order, keyframe: Picture, content: str, other: Picture, seed: int) -> Verdict:
        """Render an order over a keyframe that shows `content`; an object is cut out of `other`."""
        size = comparison_size(keyframe.shape[1], keyframe.shape[0])
        shown = shrink(keyframe[None], *size)[0]
        inside = None
        if order.kind == "object":
            shown, inside = _with_object(shown, shrink(other[None], *size)[0], order)
        frames = self.render(order, shown, content, seed)
        return judge(order, frames, inside)

    def render(self, order: Order, keyframe: Picture, content: str, seed: int) -> NDArray[np.uint8]:
        """Give the frames (T, H, W, 3) of a segment that is nothing but tokens and words."""
        tokens = self._encoder.encode(keyframe)[: self._planes]
        caption = f"{content} {order.words}".strip()
        segment = Segment(0, SEGMENT_MS, caption, None, tokens, 0, still=False, cut=False, sequence=seed)
        camera = CameraInfo("source", keyframe.shape[1], keyframe.shape[0], RATE)
        return self._renderer.render(segment, Context(None, None), camera, Policy(), seed)


def judge(order: Order, frames: NDArray[np.uint8], inside: NDArray[np.bool_] | None = None) -> Verdict:
    """Measure frames (T, H, W, 3) that span T - 1 of T parts of the segment; `inside` masks the object.

    pan      right where it goes within 22.5 degrees of the order, and at least a quarter as far
    zoom     right where it grows or shrinks as ordered, by half to twice the octaves
    static   right where 95 of 100 points go less than 1.5 % of the frame
    object   right within 22.5 degrees and half to twice as far, while the rest goes a third as far at most
    """
    span = 1 - 1 / len(frames)
    gone = drift(frames, inside)
    asked = hypot(order.right, order.down) * span
    way = hypot(gone.right, gone.down)
    angle = speed = None
    if order.kind == "static":
        right = gone.farthest < _RESTS
    elif order.kind == "zoom":
        speed = gone.zoom / (order.octaves * span)
        right = 1 / _ROUGHLY <= speed <= _ROUGHLY
    else:
        angle, speed = _angle(gone.right, gone.down, order.right, order.down), way / asked
        right = angle <= ANGLE_DEGREES and speed >= _MOVES
        if inside is not None:
            around = drift(frames, ~_grown(inside))
            rests = hypot(around.right, around.down) <= _PAUSE * asked
            right = right and 1 / _ROUGHLY <= speed <= _ROUGHLY and rests
    return Verdict(order.kind, order.words, right, speed, angle, gone.right, gone.down, gone.zoom)


def _angle(right: float, down: float, asked_right: float, asked_down: float) -> float:
    turned = degrees(atan2(down, right) - atan2(asked_down, asked_right))
    return abs((turned + 180) % 360 - 180)


def _with_object(shown: Picture, other: Picture, order: Order) -> tuple[Picture, NDArray[np.bool_]]:
    """Paste a soft ellipse of `other` where its way, as ordered, is centred; give its mask (H, W) too."""
    height, width = shown.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    across = (x + 0.5) / width - 0.5 + order.right / 2
    along = (y + 0.5) / height - 0.5 + order.down / 2
    radius = np.hypot(across, along) * 2 / _OBJECT
    opacity = np.clip((1 - radius) * 8 + 0.5, 0, 1)[..., None]
    turned = other[::-1, ::-1]  # so that it differs where both come from one camera
    mixed = shown + opacity * (turned.astype(np.float32) - shown)
    return mixed.round().astype(np.uint8), np.asarray(radius < 0.85, np.bool_)


def _grown(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    side = round(max(inside.shape) * _OBJECT * 0.8) | 1
    return np.asarray(cv2.dilate(inside.astype(np.uint8), np.ones((side, side), np.uint8)) > 0, np.bool_)
