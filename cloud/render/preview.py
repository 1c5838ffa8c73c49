"""The renderer of small bundles: flow diffusion on ONNX Runtime, no GPU needed.

    tokens --decoder--> keyframes A, B --------------------------.
    noise --denoiser x steps--> flow to A, flow to B, blend --> warp and blend --> refine --> frames
              ^ caption, motion layer, keyframes

B is the keyframe of the next segment, which arrives anyway; without it the segment is A in motion. A
bundle without a refiner shows the warped keyframes as they are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.render.flow import Told, at_time, compose, shifted_times
from cloud.render.graph import Array, Graph
from cloud.render.ground import Ground
from cloud.render.keyframes import KeyframeDecoder
from cloud.render.refine import Changes
from cloud.render.renderer import (
    Context,
    RenderCancelledError,
    frame_span,
    never,
    output_rate,
    output_size,
)
from cloud.render.stand_in import draw
from wire.bundle import Bundle, BundleError
from wire.documents import CameraInfo
from wire.field import guide
from wire.motion import Motion
from wire.policy import Policy
from wire.segment import Segment
from wire.words import read_words

Float = NDArray[np.float32]
STEPS = 4  # as good as 8 and twice as fast
_LATEST = 127 / 128  # a keyframe may be so late in its segment, as on the wire; rounding may give its end


@dataclass(frozen=True, slots=True)
class _Sizes:
    """What the bundle's [renderer.options] fix: the shapes that the denoiser was trained with."""

    frames: int
    side: int
    key_px: int
    words: int
    flow_scale: float
    time_shift: float


class PreviewRenderer:
    """Renders with the graphs of one bundle, on `threads` threads. Not safe to share between threads."""

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        info = bundle.manifest.renderer
        if info.denoiser is None:
            raise BundleError(f"{bundle.root}: the preview renderer needs a denoiser under [renderer]")
        self._sizes = _sizes(bundle)
        self._keyframes = KeyframeDecoder(bundle, threads)
        self._denoiser = _denoiser(bundle, info.denoiser, threads, self._sizes)
        self._refiner, self._refiner_px = None, 0
        if info.refiner is not None:
            self._refiner, self._refiner_px = _refiner(bundle, info.refiner, threads, self._sizes)
        self._name = f"preview {bundle.manifest.name} {bundle.short_sha256}"

    @property
    def name(self) -> str:
        return self._name

    @property
    def carries(self) -> int:
        return 0

    def render(
        self,
        segment: Segment,
        context: Context,
        camera: CameraInfo,
        policy: Policy,
        seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:
        """Return frames (T, H, W, 3); raises RenderError, RenderCancelledError."""
        rate = output_rate(camera, policy)
        first, end = frame_span(segment, rate)
        width, height = output_size(camera, policy.long_side_px)
        if end <= first:
            return np.empty((0, height, width, 3), np.uint8)
        held = segment.tokens is None and context.previous is not None
        if policy.stand_in is not None:
            return self._stand_ins(segment, context, (first, end, rate), (width, height))
        key = self._keyframes.decode(context.previous.tokens if held and context.previous else segment.tokens)
        detailed = self._detailed(context, (width, height))
        large = detailed(_enlarge(key, width, height))
        if segment.still:
            resting = np.zeros((1, 5, self._sizes.side, self._sizes.side), np.float32)
            resting[:, 4] = -1
            picture = self._refine(resting, key, None, segment, (width, height))(large, 0.0)
            return np.broadcast_to(picture, (end - first, height, width, 3))
        following = context.next if context.next is not None and context.next.tokens is not None else None
        after = self._keyframes.decode(following.tokens) if following is not None else None
        fields = self._diffuse(segment, key, following, after, camera, policy.steps or STEPS, seed, cancelled)
        goal = detailed(_enlarge(after, width, height)) if after is not None else None
        refined = self._refine(fields, key, after, segment, (width, height))
        times = [float(1000 * number / rate) - segment.start_ms for number in range(first, end)]
        frames = np.empty((end - first, height, width, 3), np.uint8)
        told = self._told(segment, following, camera)
        for frame, time in zip(frames, times, strict=True):
            share = time / segment.duration_ms
            field = at_time(fields, share)
            if told is not None:
                field[:4] += told.bend(share)
            frame[:] = refined(compose(field, large, goal), share)
        return frames

    def _detailed(
        self, context: Context, size: tuple[int, int]
    ) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
        """Give what puts the details of the place on a keyframe, where there is a picture of it."""
        if not context.grounds:
            return lambda picture: picture
        return Ground(context.anchors[: context.grounds], size).under

    def _stand_ins(
        self, segment: Segment, context: Context, shown: tuple[int, int, Fraction], size: tuple[int, int]
    ) -> NDArray[np.uint8]:
        """Draw figures on a picture of the place: without an appearance code there is nothing to diffuse."""
        first, end, rate = shown
        times = [float(1000 * number / rate) - segment.start_ms for number in range(first, end)]
        ground = context.anchors[0] if context.grounds else None
        return draw(segment, ground, [time / segment.duration_ms for time in times], size)

    def _refine(
        self, fields: Float, key: NDArray[np.uint8], after: NDArray[np.uint8] | None, segment: Segment,
        size: tuple[int, int],
    ) -> Callable[[NDArray[np.uint8], float], NDArray[np.uint8]]:  # fmt: skip
        """Give what turns the warped frame at a time 0..1 into the one that is shown."""
        refiner = self._refiner
        if refiner is None:
            return lambda frame, _: frame
        words, side = self._words(segment.caption), self._refiner_px

        def repair(seen: Float) -> Float:
            return refiner.run({"seen": seen, "words": np.repeat(words, len(seen), axis=0)})

        second = None if after is None else _enlarge(after, side, side)
        return Changes(fields, _enlarge(key, side, side), second, repair, *size).apply

    def _diffuse(
        self, segment: Segment, key: NDArray[np.uint8], following: Segment | None,
        after: NDArray[np.uint8] | None, camera: CameraInfo, steps: int, seed: int,
        cancelled: Callable[[], bool],
    ) -> Float:  # fmt: skip
        """Draw the motion of a segment: fields (frames, 5, side, side), flow in fractions of the frame."""
        sizes = self._sizes
        first, second = _key_times(segment, following)
        there = [following is not None, segment.motion is not None]
        inputs: dict[str, Array] = {
            "keys": self._keys(key, after),
            "guide": self._guide(segment, first, second, camera),
            "conditions": np.array([[first, 1.0 if second is None else second, *there]], np.float32),
            "words": self._words(segment.caption),
        }
        random = np.random.default_rng((seed & 0xFFFFFFFFFFFFFFFF, segment.sequence))
        noisy = random.standard_normal((1, sizes.frames * 5, sizes.side, sizes.side), np.float32)
        times = shifted_times(steps, sizes.time_shift)
        for now, then in pairwise(times):
            if cancelled():
                raise RenderCancelledError
            clean = self._denoiser.run({"noisy": noisy, "time": np.array([now], np.float32), **inputs})
            noisy = clean if then >= 1 else noisy + (clean - noisy) * np.float32((then - now) / (1 - now))
        fields = np.asarray(noisy.reshape(sizes.frames, 5, sizes.side, sizes.side), np.float32)
        fields[:, :4] /= sizes.flow_scale
        return fields

    def _keys(self, key: NDArray[np.uint8], after: NDArray[np.uint8] | None) -> Float:
        small = [_shrink(picture, self._sizes.key_px) for picture in (key, key if after is None else after)]
        stacked = np.concatenate([picture.transpose(2, 0, 1) for picture in small])
        return np.asarray(stacked[None].astype(np.float32) / np.float32(255), np.float32)

    def _guide(self, segment: Segment, first: float, second: float | None, camera: CameraInfo) -> Float:
        sizes = self._sizes
        fields = guide(
            segment.motion or Motion(), sizes.frames, (first, second), sizes.side, sizes.flow_scale,
            camera.width / camera.height,
        )  # fmt: skip
        return fields.reshape(1, -1, sizes.side, sizes.side)

    def _told(self, segment: Segment, following: Segment | None, camera: CameraInfo) -> Told | None:
        if segment.motion is None:
            return None
        keys, sizes = _key_times(segment, following), self._sizes
        return Told(segment.motion, keys, camera.width / camera.height, sizes.frames, sizes.side)

    def _words(self, caption: str | None) -> NDArray[np.int64]:
        return np.array([read_words(caption or "", self._sizes.words)], np.int64)


def _key_times(segment: Segment, following: Segment | None) -> tuple[float, float | None]:
    """When both keyframes are, 0..1 of the segment."""
    first = min(segment.keyframe_ms / segment.duration_ms, _LATEST)
    return first, None if following is None else 1 + following.keyframe_ms / segment.duration_ms


def _sizes(bundle: Bundle) -> _Sizes:
    options = bundle.manifest.renderer.options
    missing = [name for name in _Sizes.__slots__ if not isinstance(options.get(name), int | float)]
    if missing:
        raise BundleError(f"{bundle.root}: [renderer.options] needs a number for {', '.join(missing)}")
    numbers = {name: float(options[name]) for name in _Sizes.__slots__}
    return _Sizes(
        frames=int(numbers["frames"]), side=int(numbers["side"]), key_px=int(numbers["key_px"]),
        words=int(numbers["words"]), flow_scale=numbers["flow_scale"], time_shift=numbers["time_shift"],
    )  # fmt: skip


def _denoiser(bundle: Bundle, name: str, threads: int, sizes: _Sizes) -> Graph:
    graph, square = Graph(bundle, name, threads), (sizes.side, sizes.side)
    shapes = {
        "noisy": (None, 5 * sizes.frames, *square),
        "time": (None,),
        "keys": (None, 6, sizes.key_px, sizes.key_px),
        "guide": (None, 4 * sizes.frames, *square),
        "conditions": (None, 4),
        "words": (None, sizes.words),
    }
    graph.check(shapes, "clean", shapes["noisy"], "[renderer] denoiser with [renderer.options]")
    return graph


def _refiner(bundle: Bundle, name: str, threads: int, sizes: _Sizes) -> tuple[Graph, int]:
    """Give it and the side of the pictures that it works at, which its graph fixes."""
    graph, because = Graph(bundle, name, threads), "[renderer] refiner with [renderer.options] words"
    shapes = {"seen": (None, 8, None, None), "words": (None, sizes.words)}
    graph.check(shapes, "change", (None, 3, None, None), because)
    height, width = graph.inputs["seen"][2:]
    if width is None or height != width:
        raise BundleError(
            f"{graph.path}: 'seen' has no fixed size, but [renderer] refiner needs a square one"
        )
    return graph, width


def _enlarge(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _shrink(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
