"""`mirage decode`: a recording becomes a video, by the same code that serves clips in the cloud.

FILE.mrg -> packets -> segments -> renderer -> frames (T, H, W, 3) -> MP4
"""

import time
from pathlib import Path

import msgspec

from cloud.render.clip import provenance, render_recording
from cloud.render.load import load_renderer
from cloud.render.mp4 import Mp4Writer
from cloud.render.renderer import output_rate, output_size
from mirage.errors import InputError
from mirage.output import as_json, check_target, make_parent, print_line
from mirage.progress import steps_shown
from mirage.recordings import Opened, open_recording
from wire.policy import Policy

RENDER_THREADS = 2


class Decoded(msgspec.Struct, frozen=True):
    """What `--json` prints. `render_s` is the renderer and the H.264 encoder, without loading the models."""

    frames: int
    fps: float
    width: int
    height: int
    render_s: float
    render_s_per_segment: float


def decode(opened: Opened, output: Path, policy: Policy, seed: int) -> Decoded:
    """Render a recording into an MP4. Raises InputError, RenderError and OutputError."""
    camera = opened.recording.camera
    segments = opened.segments()
    if not segments:
        raise InputError(f"{opened.path}: holds no segment to render")
    renderer = load_renderer(opened.bundle, RENDER_THREADS)
    rate = output_rate(camera, policy)
    width, height = output_size(camera, policy.long_side_px)
    subject = {"boot": opened.recording.birth.boot_id, "source": [camera.width, camera.height, camera.fps]}
    packets = opened.recording.packets
    statement = provenance(subject, opened.bundle.sha256, renderer, policy, seed, packets)
    started_s = time.perf_counter()
    make_parent(output)
    with (
        steps_shown("rendering", len(segments)) as done,
        Mp4Writer(output, width, height, rate, opened.path.stem, statement) as writer,
    ):
        for frames in render_recording(segments, camera, renderer, policy, seed, done):
            writer.write(frames)
    render_s = time.perf_counter() - started_s
    return Decoded(writer.frames, float(rate), width, height, render_s, render_s / len(segments))


def main(path: Path, output: Path, bundle: Path | None, policy: Policy, seed: int, *, json: bool) -> None:
    """Decode and report. Raises what `decode` raises, and BundleError."""
    check_target(output, path)
    decoded = decode(open_recording(path, bundle, "cloud"), output, policy, seed)
    if json:
        print_line(as_json(decoded))
    else:
        print_line(
            f"{output}: {decoded.frames} frames, {decoded.width}x{decoded.height} at {decoded.fps:g} fps, "
            f"{decoded.render_s_per_segment:.2f} s per segment"
        )
