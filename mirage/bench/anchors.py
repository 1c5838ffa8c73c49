"""`mirage bench anchors`: what a picture of the place does for reconstructions of a camera that stands still.

    video --encode--> packets --render--> frames without | with the anchor | with it, turned
          '-- median of the frames of its first third: the anchor         measured: the other two thirds

A median is what the place looks like without those who walk through it: a photograph of the empty scene.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.render.anchors import NO_SCENERY, Scenery
from cloud.render.clip import render_recording
from cloud.render.load import load_renderer
from edge.camera import open_camera
from edge.pipeline import Settings
from mirage.bench.quality.metrics import psnr_db
from mirage.bench.report import Gate, Report
from mirage.bundles import bundle_folder
from mirage.encode import encode
from mirage.errors import InputError
from mirage.progress import steps_shown
from mirage.recordings import Opened, open_recording
from wire.bundle import Bundle
from wire.policy import Policy

LEAST_DB, LEAST_SSIM = 1.0, 0.1  # what an anchor of the place must give,
MOST_HARM_DB = 0.3  # and one that does not fit, the same turned, may cost at most
_EVERY = 7  # frames: these are compared
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # of SSIM (Wang et al., 2004)

Frames = NDArray[np.uint8]


def run(video: Path, bundle: Path | None, long_side_px: int, pictures: Path | None) -> Report:
    """Measure on a video of a camera that stands still. Raises InputError, BundleError, RenderError."""
    with tempfile.TemporaryDirectory(prefix="mirage-anchors-") as folder:
        loaded = Bundle.load(bundle_folder(bundle))
        path = Path(folder) / "scene.mrg"
        path.write_bytes(encode(str(video), loaded, Settings()).data)
        opened = open_recording(path, bundle_folder(bundle), "cloud")
    source = _source(video)
    if len(source) < 3 * _EVERY:
        raise InputError(f"{video}: {len(source)} frames are too few, {3 * _EVERY} at least")
    place = np.median(source[: len(source) // 3 : 2], axis=0).astype(np.uint8)
    elsewhere = np.ascontiguousarray(place[::-1, ::-1])
    ways = {
        "without": NO_SCENERY,
        "with": Scenery((place,), 1),
        "darker": Scenery((np.asarray(place * 0.6 + 10, np.uint8),), 1),
        "elsewhere": Scenery((elsewhere,), 1),
    }
    found, shown = dict[str, dict[str, float]](), dict[str, Frames]()
    with steps_shown("rendering", len(ways)) as done:
        for name, scenery in ways.items():
            shown[name] = _rendered(opened, long_side_px, scenery)
            found[name] = _scores(source, shown[name])
            done()
    if pictures is not None:
        _draw(pictures, source, shown)
    plain, anchored = found["without"], found["with"]
    gates = (
        Gate.at_least("psnr_gain", anchored["psnr_db"] - plain["psnr_db"], "dB", LEAST_DB),
        Gate.at_least("ssim_gain", anchored["ssim"] - plain["ssim"], "", LEAST_SSIM),
        Gate.at_most("harm_of_another", plain["psnr_db"] - found["elsewhere"]["psnr_db"], "dB", MOST_HARM_DB),
    )
    results = {"video": video.name, "long_side_px": long_side_px, "frames_compared": len(source) // _EVERY}
    return Report("anchors", gates, results | found)


def ssim(one: Frames, other: Frames) -> float:
    """Give the structural similarity of two pictures (H, W, 3), of their luma, in windows of 11 pixels."""
    x, y = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY).astype(np.float32) for each in (one, other))

    def mean(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.GaussianBlur(picture, (11, 11), 1.5), np.float32)

    mx, my = mean(x), mean(y)
    vx, vy, both = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    alike = (2 * mx * my + _C1) * (2 * both + _C2) / ((mx * mx + my * my + _C1) * (vx + vy + _C2))
    return float(alike.mean())


def _source(video: Path) -> Frames:
    camera = open_camera(str(video))
    frames = [frame.rgb for frame in camera]
    camera.close()
    if not frames:
        raise InputError(f"{video}: has no frames")
    return np.stack(frames)


def _rendered(opened: Opened, long_side_px: int, scenery: Scenery) -> Frames:
    renderer = load_renderer(opened.bundle, 1)
    policy, segments = Policy(long_side_px=long_side_px), opened.segments()
    clips = render_recording(segments, opened.recording.camera, renderer, policy, 0, scenery=scenery)
    return np.concatenate(list(clips))


def _pairs(source: Frames, made: Frames) -> list[tuple[Frames, Frames]]:
    """Pair frames of the last two thirds with what they became, at its size; they may differ in rate."""
    height, width = made.shape[1:3]
    numbers = range(len(source) // 3, len(source), _EVERY)
    places = [min(round(number * len(made) / len(source)), len(made) - 1) for number in numbers]
    return [
        (np.asarray(cv2.resize(source[a], (width, height), interpolation=cv2.INTER_AREA), np.uint8), made[b])
        for a, b in zip(numbers, places, strict=True)
    ]


def _scores(source: Frames, made: Frames) -> dict[str, float]:
    pairs = _pairs(source, made)
    return {
        "psnr_db": float(np.mean([psnr_db(a, b) for a, b in pairs])),
        "ssim": float(np.mean([ssim(a, b) for a, b in pairs])),
    }


def _draw(folder: Path, source: Frames, shown: dict[str, Frames]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    columns: Sequence[Frames] = [
        _pairs(source, shown["without"])[-1][0], *(_pairs(source, made)[-1][1] for made in shown.values())
    ]  # fmt: skip
    strip = np.concatenate(columns, axis=1)
    cv2.imwrite(str(folder / "anchors.jpg"), strip[..., ::-1])
