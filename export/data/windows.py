"""Real windows of about two seconds, with measured flow: what the renderer learns real motion from.

    clips --frames, DIS flow, the device's own motion estimate--> Samples --file, named by content--> Samples

Measuring takes a minute or more; the result is kept beside the checkpoints under a name that changes with
the clips, their captions and the way of measuring.
"""

import hashlib
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from export.data import footage
from export.data.grids import mirror_words
from export.data.motion import Samples
from models.tiny.motion import FLOW_SCALE, FRAMES, KEY_PX, SIDE
from models.tiny.renderer import WORDS
from wire.field import guide
from wire.motion import Motion, quantise
from wire.words import SIZE, read_words

Float = NDArray[np.float32]
Frames = NDArray[np.uint8]
Estimate = Callable[[Frames, NDArray[np.int64]], Motion]  # frames, times_ms; as the device does it

MEASURE_PX = 128
STRIDE_S = 0.5
FINE_PX, FINE_FRAMES = 256, 2
METHOD = 1  # raise it when what is measured changes: kept windows are then measured anew
TIMES = np.linspace(0, 1, FRAMES)


@dataclass(frozen=True, slots=True)
class _Timing:
    """Where a window lies, and its keyframes' times as fractions of it."""

    start_s: float
    length_s: float
    first: float
    second: float
    follows: bool


def real_windows(folder: Path, estimate: Estimate, kept: Path, *, held_out: bool, seed: int = 0) -> Samples:
    """Read the windows of all clips that are, or are not, held out; measured where `kept` has none yet.

    An empty batch where there is no clip. Raises FootageError for a clip that cannot be read.
    """
    paths = [path for path in footage.clips(folder) if footage.is_held_out(path) == held_out]
    captions = [c for c in footage.clip_captions(folder) if c.path in paths]
    stored = kept / f"windows-{_digest(paths, captions, seed)}.pt"
    if not stored.exists():
        samples = _measured(paths, captions, estimate, seed)
        kept.mkdir(parents=True, exist_ok=True)
        part = stored.with_suffix(".part")
        torch.save([getattr(samples, field.name) for field in fields(Samples)], part)
        part.replace(stored)
    return Samples(*torch.load(stored, weights_only=True))


@dataclass(frozen=True, slots=True)
class Pictures:
    """The keyframes of the windows of `real_windows`, in its order, and some of their frames, sharp."""

    keys: Tensor  # uint8 (N, 6, MEASURE_PX, MEASURE_PX)
    frames: Tensor  # uint8 (N, FINE_FRAMES, 3, FINE_PX, FINE_PX)
    which: Tensor  # int64 (N, FINE_FRAMES), in rising order


def real_pictures(folder: Path, *, held_out: bool, seed: int = 0) -> Pictures:
    """Read the pictures that go with `real_windows` of the same arguments."""
    paths = [path for path in footage.clips(folder) if footage.is_held_out(path) == held_out]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="pictures") as pool:
        made = track(pool.map(lambda p: _pictures(p, seed), paths), "reading clips", total=len(paths))
        rows = [row for clip in made for row in clip]
    shapes = (6, MEASURE_PX, MEASURE_PX), (FINE_FRAMES, 3, FINE_PX, FINE_PX), (FINE_FRAMES,)
    columns = zip(*rows, strict=True) if rows else ([torch.zeros(0, *shape)] for shape in shapes)
    return Pictures(*(torch.stack(list(column)) if rows else column[0] for column in columns))


def _pictures(path: Path, seed: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    random = np.random.default_rng((seed + 1, zlib.crc32(path.name.encode())))
    timed = list(footage.read_frames(path, 240, 12.0))
    small = np.stack([squash(frame, MEASURE_PX) for _, frame in timed])
    rows = []
    for _, picked in _cut_out(path, [time for time, _ in timed], small, seed):
        which = np.sort(random.choice(FRAMES, FINE_FRAMES, replace=False))
        fine = np.stack([squash(timed[picked[i]][1], FINE_PX) for i in which])
        keys = small[picked[FRAMES:]].transpose(0, 3, 1, 2).reshape(6, MEASURE_PX, MEASURE_PX)
        rows.append((
            torch.from_numpy(keys.copy()), torch.from_numpy(fine.transpose(0, 3, 1, 2).copy()),
            torch.from_numpy(which),
        ))  # fmt: skip
    return rows


def _digest(paths: Iterable[Path], captions: Sequence[footage.Caption], seed: int) -> str:
    """Name what the windows are made of and how, in 12 hex digits."""
    digest = hashlib.sha256(
        repr((METHOD, seed, MEASURE_PX, STRIDE_S, FRAMES, KEY_PX, SIDE, WORDS, SIZE)).encode()
    )
    for path in paths:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
        digest.update(repr([(c.start_s, c.text) for c in captions if c.path == path]).encode())
    return digest.hexdigest()[:12]


def _measured(
    paths: Sequence[Path], captions: Sequence[footage.Caption], estimate: Estimate, seed: int
) -> Samples:
    def measure(path: Path) -> list[list[Tensor]]:
        said = [caption for caption in captions if caption.path == path]
        return list(_windows(path, said, estimate, seed))

    workers = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(workers, thread_name_prefix="windows") as pool:
        made = track(pool.map(measure, paths), "measuring the motion of clips", total=len(paths))
        rows = [row for windows in made for row in windows]
    if not rows:
        return Samples(*(torch.zeros(0, *shape, dtype=kind) for shape, kind in _LAYOUT))
    return Samples(*(torch.stack(column) for column in zip(*rows, strict=True)))


_LAYOUT = (
    ((FRAMES, 3, KEY_PX, KEY_PX), torch.uint8), ((6, KEY_PX, KEY_PX), torch.uint8),
    ((FRAMES * 5, SIDE, SIDE), torch.float16), ((FRAMES * 4, SIDE, SIDE), torch.float16),
    ((5, SIDE, SIDE), torch.float16), ((SIDE, SIDE), torch.float16),
    ((4,), torch.float32),
    ((WORDS,), torch.int64), ((WORDS,), torch.int64),
)  # fmt: skip


def _windows(
    path: Path, captions: Sequence[footage.Caption], estimate: Estimate, seed: int
) -> Iterable[list[Tensor]]:
    timed = list(footage.read_frames(path, 240, 12.0))
    frames = np.stack([squash(frame, MEASURE_PX) for _, frame in timed])
    for timing, picked in _cut_out(path, [time for time, _ in timed], frames, seed):
        said = [c.text for c in captions if abs(c.start_s - timing.start_s) < 0.8]
        yield _window(frames[picked], timing, estimate, said[0] if said else "")


def _cut_out(
    path: Path, seconds: Sequence[float], frames: Frames, seed: int
) -> Iterable[tuple[_Timing, list[int]]]:
    """Choose the windows of one clip, and the indices of each one's frames."""
    random = np.random.default_rng((seed, zlib.crc32(path.name.encode())))
    times = np.array(seconds)
    for start in np.arange(0, max(times[-1] - 1.0, 0.01), STRIDE_S):
        timing = _draw_timing(random, float(start), float(times[-1]))
        picked = _pick(times, timing)
        if picked is not None and not _has_cut(frames[picked[:FRAMES]]):
            yield timing, picked


def _draw_timing(random: np.random.Generator, start: float, end: float) -> _Timing:
    length = float(random.uniform(1.4, 2.2))
    first = 0.0 if random.random() < 0.4 else float(random.uniform(0, 0.33))
    second = 1.0 if random.random() < 0.4 else float(random.uniform(1, 1.33))
    follows = bool(random.random() < 0.8) and start + second * length <= end
    return _Timing(start, length, first, second, follows)


def _pick(times: NDArray[np.float64], timing: _Timing) -> list[int] | None:
    """Give the indices of a window's frames, then of keyframes A and B; None where the clip ends early."""
    second = timing.second if timing.follows else timing.first
    wanted = [timing.start_s + time * timing.length_s for time in (*TIMES, timing.first, second)]
    if wanted[FRAMES - 1] > times[-1] + 0.1:
        return None
    return [int(np.abs(times - time).argmin()) for time in wanted]


def _window(pictures: Frames, timing: _Timing, estimate: Estimate, caption: str) -> list[Tensor]:
    """Measure one window (FRAMES + 2, h, w, 3): the tensors of Samples, in order."""
    segment, key_a, key_b = pictures[:FRAMES], pictures[FRAMES], pictures[FRAMES + 1]
    clean = np.zeros((FRAMES, 5, SIDE, SIDE), np.float32)
    clean[:, 4] = -1
    for number, time in enumerate(TIMES):
        flow_a, seen_a = measure_flow(segment[number], key_a)
        clean[number, 0:2] = flow_a * FLOW_SCALE
        if timing.follows:
            flow_b, seen_b = measure_flow(segment[number], key_b)
            clean[number, 2:4] = flow_b * FLOW_SCALE
            clean[number, 4] = _blend(seen_a, seen_b, float(time), timing.first, timing.second)
    ahead, seen_ahead = measure_flow(key_a, key_b)
    back, seen_back = measure_flow(key_b, key_a)
    trust = (seen_ahead * seen_back * timing.follows)[None]
    times_ms = ((timing.start_s + TIMES * timing.length_s) * 1000).astype(np.int64)
    keys = (timing.first, timing.second if timing.follows else None)
    told = guide(quantise(estimate(segment, times_ms)), FRAMES, keys, SIDE, FLOW_SCALE)
    small = np.stack([squash(picture, KEY_PX) for picture in pictures]).transpose(0, 3, 1, 2)
    return [
        torch.from_numpy(small[:FRAMES].copy()), torch.from_numpy(small[FRAMES:].copy()).flatten(0, 1),
        torch.from_numpy(clean).flatten(0, 1).half(), torch.from_numpy(told).flatten(0, 1).half(),
        torch.from_numpy(np.concatenate([ahead, back, trust])).half(),
        torch.full((SIDE, SIDE), -1.0).half(),
        torch.tensor([timing.first, timing.second, float(timing.follows), 1.0]),
        torch.tensor(read_words(caption, WORDS)), torch.tensor(read_words(mirror_words(caption), WORDS)),
    ]  # fmt: skip


def measure_flow(frame: Frames, key: Frames) -> tuple[Float, Float]:
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


def _blend(seen_a: Float, seen_b: Float, time: float, first: float, second: float) -> Float:
    """-1 where A should show, 1 where B should: the nearer one, unless only the other sees it."""
    a, b = (seen_a + 0.02) * (abs(time - second) + 1e-3), (seen_b + 0.02) * (abs(time - first) + 1e-3)
    return ((b - a) / (a + b)).astype(np.float32)


def _has_cut(frames: Frames) -> bool:
    small = np.stack([cv2.resize(f, (16, 16), interpolation=cv2.INTER_AREA) for f in frames])
    return bool(np.abs(np.diff(small.astype(np.float32), axis=0)).mean((1, 2, 3)).max() > 45)


def squash(frame: Frames, side: int) -> Frames:
    """Scale to (side, side, 3), whatever the aspect."""
    return np.asarray(cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
