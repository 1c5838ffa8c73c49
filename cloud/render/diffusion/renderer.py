"""Segments become frames through a video diffusion pipeline.

    segment, neighbours, carried frames --plan--> pictures at frames --pipeline--> frames at its rate and size
        --nearest in time, resized--> frames uint8 (T, H, W, 3)

A scene at rest is one picture, repeated. Lack of memory is answered once: offloaded, in tiles, smaller.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import cv2
import diffusers
import numpy as np
import structlog
import torch
from numpy.typing import NDArray

from cloud.render.diffusion import animatediff, ltx, wan
from cloud.render.diffusion.models import Models, be_quiet
from cloud.render.diffusion.options import Options, read_options
from cloud.render.diffusion.plan import (
    Limits,
    Pictures,
    Shown,
    Slot,
    Span,
    carried_indices,
    picture_size,
    plan_span,
    reach,
)
from cloud.render.diffusion.request import Film, Frames, Picture, Placed, Request
from cloud.render.keyframes import KeyframeDecoder
from cloud.render.renderer import (
    Context,
    RenderCancelledError,
    RenderError,
    frame_span,
    never,
    output_rate,
    output_size,
)
from wire.bundle import MANIFEST, Bundle, BundleError
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment

_SMALLER = 2  # where memory does not suffice: half the sides, a quarter of the latents

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Clip:
    """What `render` was asked for."""

    segment: Segment
    context: Context
    policy: Policy
    shown: Shown
    width: int
    height: int
    seed: int
    cancelled: Callable[[], bool]


class DiffusionRenderer:
    """Renders with the pipeline of one bundle. Not safe to share: schedulers keep their state between steps.

    `threads` are those of the CPU, for the whole process.
    """

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        be_quiet(threads)
        self._options = read_options(bundle)
        self._film, models = _load(bundle, self._options)
        self._vectors = bundle.vector_model()
        self._keyframes = None
        if bundle.manifest.renderer.decoder is not None:
            self._keyframes = KeyframeDecoder(bundle, threads, gpu=models.device == "cuda")
        elif self._film.sees and bundle.manifest.appearance is not None:
            raise BundleError(
                f"{bundle.root / MANIFEST}: [renderer] decoder is missing, so no keyframe is seen"
            )
        source = models.source("pipeline")
        self._name = (
            f"diffusers {diffusers.__version__} {self._options.pipeline} "
            f"{source.model}{f'@{source.revision}' if source.revision else ''} {models.dtype_name} "
            f"{models.device} {bundle.manifest.name} {bundle.short_sha256}"
        )

    @property
    def name(self) -> str:
        return self._name

    @property
    def carries(self) -> int:
        return self._film.carries

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
        shown = Shown(*frame_span(segment, rate), rate)
        width, height = output_size(camera, policy.long_side_px)
        count = shown.end - shown.first
        if count <= 0:
            return np.empty((0, height, width, 3), np.uint8)
        if cancelled():
            raise RenderCancelledError
        clip = _Clip(segment, context, policy, shown, width, height, seed, cancelled)
        if segment.still:
            return np.broadcast_to(_fitted(self._resting(clip), width, height), (count, height, width, 3))
        span = self._span(clip)
        needed, places = np.unique(span.indices(shown), return_inverse=True)
        return _all_fitted(self._frames(clip, span)[needed], width, height)[places]

    def _resting(self, clip: _Clip) -> Picture:
        """Give the picture of a scene at rest: keyframe, else the last frame, else a clip of one frame."""
        segment, carried = clip.segment, clip.context.carried
        if segment.tokens is not None and self._keyframes is not None:
            return self._keyframes.decode(segment.tokens)
        if carried is not None and len(carried):
            return np.asarray(carried[-1], np.uint8)
        alone = Span(1, clip.shown.rate, clip.shown.begin_ms, 0)
        return np.asarray(self._frames(clip, alone)[0], np.uint8)

    def _span(self, clip: _Clip) -> Span:
        options, film = self._options, self._film
        most = min(options.frames, clip.policy.frames or options.frames)
        rate = Fraction(options.fps).limit_denominator(1001)
        carried = 0 if clip.context.carried is None else len(clip.context.carried)
        further = reach(clip.shown, self._next_ms(clip)) if film.reaches else None
        return plan_span(clip.shown, Limits(rate, most, film.stride, film.lead), carried, further)

    def _frames(self, clip: _Clip, span: Span) -> Frames:
        """Diffuse the frames of a span (span.count, h, w, 3), smaller where memory does not suffice."""
        try:
            return self._diffuse(self._request(clip, span, 1))
        except torch.OutOfMemoryError as error:
            what = str(error)
        # Not while the error is handled: it holds what the failed attempt had in memory.
        request = self._request(clip, span, _SMALLER)
        log.warning(
            "out of memory: rendering again, smaller", renderer=self._name, segment=clip.segment.sequence,
            width=request.width, height=request.height, frames=span.count, error=what,
        )  # fmt: skip
        try:
            with self._film.loaded.economised():
                frames = self._diffuse(request)
        except torch.OutOfMemoryError as error:
            raise RenderError(
                f"segment {clip.segment.sequence}: {span.count} frames of {request.width}x{request.height} "
                "do not fit in memory, even offloaded and in tiles: lower frames or long_side_px, in the "
                f"policy or under [renderer.options] ({error})"
            ) from error
        clip.context.degraded(
            f"diffused at {request.width}x{request.height}, 1/{_SMALLER} of the side, for lack of memory"
        )
        return frames

    def _diffuse(self, request: Request) -> Frames:
        done = False
        try:
            with self._film.loaded.attending():
                frames = self._film.diffuse(request)
            done = True
        except (RenderError, BundleError, torch.OutOfMemoryError):
            raise
        except (RuntimeError, ValueError) as error:  # what PyTorch and diffusers raise
            raise RenderError(f"{self._name}: {error}") from error
        finally:
            if not done:
                self._film.loaded.reset()
        if not np.isfinite(frames).all():
            raise RenderError(f"{self._name}: gave no picture but infinite values: try dtype bf16 or fp32")
        return np.asarray((frames * 255).round().clip(0, 255), np.uint8)

    def _request(self, clip: _Clip, span: Span, smaller: int) -> Request:
        options, policy, segment = self._options, clip.policy, clip.segment
        long_px = (options.long_side_px or max(clip.width, clip.height)) // smaller
        width, height = picture_size(clip.width, clip.height, long_px, self._film.multiple)
        vector = None
        if segment.vector is not None and self._vectors is not None:
            vector = self._vectors.dequantise(segment.vector)
        return Request(
            prompt=_joined(segment.caption or "", policy.style_prompt, options.style_prompt),
            negative_prompt=_joined(policy.negative_prompt, options.negative_prompt),
            steps=options.steps if policy.steps is None else policy.steps,
            guidance=options.guidance if policy.guidance is None else policy.guidance,
            seed=_seed(clip.seed, segment.sequence),
            span=span,
            width=width,
            height=height,
            placed=tuple(
                Placed(_fitted(self._picture(clip, slot), width, height), slot.index, slot.strength)
                for slot in self._film.slots(span, self._known(clip, span))
            ),
            carried=self._carried(clip, span, width, height),
            vector=vector,
            anchors=clip.context.anchors,
            cancelled=clip.cancelled,
            figure=clip.context.figure,
        )

    def _known(self, clip: _Clip, span: Span) -> Pictures:
        """Say which pictures there are; the next keyframe counts if the span gets there."""
        options, segment = self._options, clip.segment
        seen = self._keyframes is not None and options.keyframe_strength > 0
        own = seen and segment.tokens is not None
        next_ms = self._next_ms(clip) if seen else None
        if self._film.reaches and next_ms is not None and next_ms > span.end_ms:
            next_ms = None
        return Pictures(
            keyframe_ms=Fraction(segment.start_ms + segment.keyframe_ms) if own else None,
            next_ms=next_ms,
            anchors=len(clip.context.anchors) if options.anchor_strength > 0 else 0,
            keyframe_strength=options.keyframe_strength,
            anchor_strength=options.anchor_strength,
        )

    def _next_ms(self, clip: _Clip) -> Fraction | None:
        following = clip.context.next
        if following is None or following.tokens is None or self._keyframes is None:
            return None
        return Fraction(following.start_ms + following.keyframe_ms)

    def _picture(self, clip: _Clip, slot: Slot) -> Picture:
        if not isinstance(slot.source, str):
            return clip.context.anchors[slot.source]
        segment = clip.segment if slot.source == "keyframe" else clip.context.next
        if self._keyframes is None or segment is None:
            raise RenderError(f"segment {clip.segment.sequence}: no {slot.source} to draw")
        return self._keyframes.decode(segment.tokens)

    def _carried(self, clip: _Clip, span: Span, width: int, height: int) -> Frames | None:
        carried = clip.context.carried
        if carried is None or not len(carried) or not self._film.carries:
            return None
        chosen = carried_indices(span, clip.shown, len(carried)) if span.lead else np.array([-1])
        return _all_fitted(carried[chosen], width, height)


def _load(bundle: Bundle, options: Options) -> tuple[Film, Models]:
    if options.pipeline == "animatediff":
        models = Models(bundle, options, animatediff.MODELS)
        return animatediff.AnimateDiff(models, options, bundle.manifest.vector), models
    if options.pipeline == "ltx":
        models = Models(bundle, options, ltx.MODELS)
        return ltx.Ltx(models, options), models
    models = Models(bundle, options, wan.MODELS)
    return wan.Wan(models, options), models


def _fitted(picture: Picture, width: int, height: int) -> Picture:
    """Resize a picture (h, w, 3), whatever its aspect: it shows the whole frame."""
    if picture.shape[:2] == (height, width):
        return picture
    shrinks = width * height < picture.shape[0] * picture.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)


def _all_fitted(frames: Sequence[Picture] | Frames, width: int, height: int) -> Frames:
    return np.stack([_fitted(frame, width, height) for frame in frames])


def _joined(*texts: str) -> str:
    return ", ".join(text for text in texts if text)


def _seed(seed: int, sequence: int) -> int:
    """Draw anew for every segment: 64 bits, from both."""
    return int(np.random.SeedSequence((seed & (2**64 - 1), sequence)).generate_state(1, np.uint64)[0])
