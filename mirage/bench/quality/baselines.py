"""What anybody could do with the same packets: the trivial renderers that a network has to beat.

    keyframes, their times --> held, cross-fade      and the motion layer, by hand --> analytic warp

All of them get the very keyframes that the renderer decodes, so that their coding is not compared.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.render.clip import context_of
from cloud.render.renderer import Context, Renderer, frame_span, output_rate
from wire.documents import CameraInfo
from wire.field import motion_field
from wire.motion import Motion
from wire.policy import Policy
from wire.segment import Segment

Frames = NDArray[np.uint8]  # (T, H, W, 3)
_FIELD_PX = 64
_STILL_MS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Keyed:
    """A segment's keyframe and, where the scene goes on, the next one's; times 0..1 of the segment."""

    first: NDArray[np.uint8]  # (H, W, 3)
    first_at: float
    second: NDArray[np.uint8] | None
    second_at: float
    motion: Motion
    aspect: float


Baseline = Callable[[Keyed, float], NDArray[np.uint8]]


def hold(keyed: Keyed, time: float) -> NDArray[np.uint8]:  # noqa: ARG001 -- one of three that are called alike
    """Show the keyframe."""
    return keyed.first


def cross_fade(keyed: Keyed, time: float) -> NDArray[np.uint8]:
    """Blend the keyframe into the next one between their times."""
    if keyed.second is None:
        return keyed.first
    return _blend(keyed.first, keyed.second, _share(keyed, time))


def warp(keyed: Keyed, time: float) -> NDArray[np.uint8]:
    """Move both keyframes as the motion layer says, and blend them."""
    first = _moved(keyed.first, keyed, time, keyed.first_at)
    if keyed.second is None:
        return first
    return _blend(first, _moved(keyed.second, keyed, time, keyed.second_at), _share(keyed, time))


BASELINES: dict[str, Baseline] = {"held": hold, "cross-fade": cross_fade, "warp": warp}


def render(
    baseline: Baseline, segments: Sequence[Segment], camera: CameraInfo, renderer: Renderer, policy: Policy
) -> Frames:
    """Render a whole recording, frame for frame as `render_recording` does."""
    rate = output_rate(camera, policy)
    keys = [keyframe(segment, camera, renderer, policy) for segment in segments]
    frames: list[NDArray[np.uint8]] = []
    for index, segment in enumerate(segments):
        keyed = _keyed(segments, index, keys, camera)
        for number in range(*frame_span(segment, rate)):
            time = (float(1000 * number / rate) - segment.start_ms) / segment.duration_ms
            frames.append(keyed.first if segment.still else baseline(keyed, time))
    return np.stack(frames)


def keyframe(
    segment: Segment, camera: CameraInfo, renderer: Renderer, policy: Policy
) -> NDArray[np.uint8] | None:
    """Let the renderer draw a segment's keyframe, at the output's size; None where it has none."""
    if segment.tokens is None:
        return None
    still = replace(segment, start_ms=0, duration_ms=_STILL_MS, keyframe_ms=0, still=True, motion=None)
    frames = renderer.render(still, Context(None, None), camera, policy, 0)
    return np.ascontiguousarray(frames[0])


def _keyed(
    segments: Sequence[Segment], index: int, keys: Sequence[NDArray[np.uint8] | None], camera: CameraInfo
) -> Keyed:
    segment, context = segments[index], context_of(segments, index)
    first = keys[index]
    if first is None and context.previous is not None:
        first = keys[index - 1]
    if first is None:
        raise ValueError(f"segment {segment.sequence} has no keyframe to start from")
    follows = context.next is not None and keys[index + 1] is not None
    second_at = 1 + segments[index + 1].keyframe_ms / segment.duration_ms if follows else 1.0
    return Keyed(
        first, segment.keyframe_ms / segment.duration_ms, keys[index + 1] if follows else None, second_at,
        segment.motion or Motion(), camera.width / camera.height,
    )  # fmt: skip


def _share(keyed: Keyed, time: float) -> float:
    return min(max((time - keyed.first_at) / (keyed.second_at - keyed.first_at), 0.0), 1.0)


def _blend(first: NDArray[np.uint8], second: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    return np.asarray(cv2.addWeighted(first, 1 - share, second, share, 0), np.uint8)


def _moved(picture: NDArray[np.uint8], keyed: Keyed, time: float, key: float) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    field = motion_field(keyed.motion, time, key, _FIELD_PX, keyed.aspect)
    flow = cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR)
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x, y = columns + flow[..., 0] * width, rows + flow[..., 1] * height
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)
