"""Samples for the renderer: two keyframes, the frames between, and the motion that links them.

Synthetic scenes give exact flow; real windows give measured flow (DIS), weighted by how well it explains
the frames. Times are fractions of the segment: frames at 0..1, keyframe A in its first third, keyframe B
in the first third of the next segment, or absent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from export.data import footage
from export.data.grids import mirror_words
from export.data.synthetic import Scene, Texture, draw_scene
from models.tiny.renderer import FLOW_SCALE, FRAMES, KEY_PX, SIDE
from wire.field import guide
from wire.motion import CameraMotion, Motion, ObjectMotion, quantise

Float = NDArray[np.float32]
MEASURE_PX = 128
TIMES = np.linspace(0, 1, FRAMES)
Estimate = Callable[[NDArray[np.uint8], NDArray[np.int64]], Motion]  # frames, times_ms; as the device does it


@dataclass(frozen=True, slots=True)
class Sample:
    """One training sample of the renderer; arrays as FlowDenoiser takes them."""

    frames: NDArray[np.uint8]  # (FRAMES, KEY_PX, KEY_PX, 3)
    keys: NDArray[np.uint8]  # (2, KEY_PX, KEY_PX, 3); B repeats A where there is none
    target: Float  # (FRAMES, 5, SIDE, SIDE)
    guide: Float  # (FRAMES, 4, SIDE, SIDE)
    times: tuple[float, float]  # of keyframes A and B
    has_next: bool
    caption: str

    def mirrored(self) -> "Sample":
        """Give the same sample seen in a mirror."""
        target, guide = self.target[..., ::-1].copy(), self.guide[..., ::-1].copy()
        target[:, [0, 2]] *= -1
        guide[:, [0, 2]] *= -1
        return Sample(
            self.frames[:, :, ::-1], self.keys[:, :, ::-1], target, guide, self.times, self.has_next,
            mirror_words(self.caption),
        )  # fmt: skip


def synthetic_sample(random: np.random.Generator, textures: Sequence[Texture]) -> Sample:
    """Draw a scene and compute everything exactly."""
    scene = draw_scene(random, textures)
    first, second, has_next = _draw_times(random)
    frames = np.stack([scene.frame(time, KEY_PX) for time in TIMES])
    keys = np.stack([scene.frame(first, KEY_PX), scene.frame(second if has_next else first, KEY_PX)])
    target = np.zeros((FRAMES, 5, SIDE, SIDE), np.float32)
    for number, time in enumerate(TIMES):
        flow_a, seen_a = scene.flow(time, first, SIDE)
        target[number, 0:2] = flow_a.transpose(2, 0, 1) * FLOW_SCALE
        target[number, 4] = -1
        if has_next:
            flow_b, seen_b = scene.flow(time, second, SIDE)
            target[number, 2:4] = flow_b.transpose(2, 0, 1) * FLOW_SCALE
            target[number, 4] = _blend(seen_a, seen_b, time, first, second)
    guide = guide_of(quantise(scene_motion(scene)), first, second, has_next=has_next)
    return Sample(frames, keys, target, guide, (first, second), has_next, scene.caption())


def scene_motion(scene: Scene) -> Motion:
    """Give the motion layer that a sender with perfect eyes would send."""
    camera, sprites = scene.camera, scene.sprites
    objects = tuple(ObjectMotion(s.x, s.y, s.width * 0.8, s.height * 0.8, s.dx, s.dy) for s in sprites)
    return Motion(CameraMotion(camera.pan_x, camera.pan_y, camera.zoom, camera.roll), objects[:4])


def guide_of(motion: Motion, first: float, second: float, *, has_next: bool) -> Float:
    """Compute what the renderer is told of `motion`: (FRAMES, 4, SIDE, SIDE)."""
    return guide(motion, FRAMES, (first, second if has_next else None), SIDE, FLOW_SCALE)


def real_samples(
    folder: Path, estimate: Estimate, *, held_out: bool, seed: int, stride_s: float = 0.5
) -> list[Sample]:
    """Windows of two seconds of every clip; keyframe B is the frame one segment later, where there is one."""
    random = np.random.default_rng(seed)
    captions = footage.clip_captions(folder)
    samples = []
    for path in footage.clips(folder):
        if footage.is_held_out(path) != held_out:
            continue
        timed = list(footage.read_frames(path, 240, 12.0))
        times = np.array([time for time, _ in timed])
        frames = np.stack([_squash(frame, MEASURE_PX) for _, frame in timed])
        for start in np.arange(0, max(times[-1] - 1.0, 0.01), stride_s):
            length = float(random.uniform(1.4, 2.2))
            known = [c.text for c in captions if c.path == path and abs(c.start_s - start) < 0.8]
            sample = _real_sample(
                frames, times, float(start), length, random, known[0] if known else "", estimate
            )
            if sample is not None:
                samples.append(sample)
    return samples


def _real_sample(
    frames: NDArray[np.uint8], times: Float, start: float, length: float, random: np.random.Generator,
    caption: str, estimate: Estimate,
) -> Sample | None:  # fmt: skip
    first, second, has_next = _draw_times(random)
    has_next = has_next and start + second * length <= times[-1]
    wanted = [start + time * length for time in (*TIMES, first, second if has_next else first)]
    if wanted[FRAMES - 1] > times[-1] + 0.1:
        return None
    picked = frames[[int(np.abs(times - t).argmin()) for t in wanted]]
    segment, key_a, key_b = picked[:FRAMES], picked[FRAMES], picked[FRAMES + 1]
    if _has_cut(segment):
        return None
    target = np.zeros((FRAMES, 5, SIDE, SIDE), np.float32)
    for number, time in enumerate(TIMES):
        flow_a, seen_a = measure_flow(segment[number], key_a)
        target[number, 0:2], target[number, 4] = flow_a * FLOW_SCALE, -1
        if has_next:
            flow_b, seen_b = measure_flow(segment[number], key_b)
            target[number, 2:4] = flow_b * FLOW_SCALE
            target[number, 4] = _blend(seen_a, seen_b, time, first, second)
    motion = quantise(estimate(segment, ((start + TIMES * length) * 1000).astype(np.int64)))
    guide = guide_of(motion, first, second, has_next=has_next)
    small = np.stack([_squash(frame, KEY_PX) for frame in picked])
    return Sample(small[:FRAMES], small[FRAMES:], target, guide, (first, second), has_next, caption)


def measure_flow(frame: NDArray[np.uint8], key: NDArray[np.uint8]) -> tuple[Float, Float]:
    """Backward flow (2, SIDE, SIDE) in frame fractions from `frame` to `key`, and how well it explains it."""
    side = frame.shape[0]
    gray, goal = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (frame, key))
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = method.calc(gray, goal, np.zeros((side, side, 2), np.float32))
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    warped = cv2.remap(
        key, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    error = np.abs(warped.astype(np.float32) - frame).mean(-1) / 255
    seen = np.exp(-cv2.blur(error, (5, 5)) / 0.06)
    small = cv2.resize(flow / side, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return small.transpose(2, 0, 1), cv2.resize(seen, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def _draw_times(random: np.random.Generator) -> tuple[float, float, bool]:
    first = 0.0 if random.random() < 0.3 else float(random.uniform(0, 0.33))
    second = 1.0 if random.random() < 0.3 else float(random.uniform(1, 1.33))
    return first, second, bool(random.random() < 0.75)


def _blend(seen_a: Float, seen_b: Float, time: float, first: float, second: float) -> Float:
    """-1 where A should show, 1 where B should: the nearer one, unless only the other sees it."""
    a, b = (seen_a + 0.02) * (abs(time - second) + 1e-3), (seen_b + 0.02) * (abs(time - first) + 1e-3)
    return ((b - a) / (a + b)).astype(np.float32)


def _has_cut(frames: NDArray[np.uint8]) -> bool:
    small = np.stack([cv2.resize(f, (16, 16), interpolation=cv2.INTER_AREA) for f in frames]).astype(
        np.float32
    )
    return bool(np.abs(np.diff(small, axis=0)).mean((1, 2, 3)).max() > 45)


def _squash(frame: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
