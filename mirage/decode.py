"""`mirage decode`: a recording becomes a video, by the same code that serves clips in the cloud.

FILE.mrg -> packets -> segments -> renderer -> frames (T, H, W, 3) -> MP4
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from cloud.bound import Bound, strictest
from cloud.render.anchors import read_anchors
from cloud.render.clip import goes_on, provenance, render_recording
from cloud.render.load import load_renderer
from cloud.render.mp4 import Mp4Writer
from cloud.render.renderer import output_rate, output_size
from cloud.render.seam import Seams
from cloud.render.style import told
from cloud.terms import Terms, stated
from mirage.errors import InputError
from mirage.output import as_json, check_target, make_parent, print_line
from mirage.progress import steps_shown
from mirage.recordings import Opened, open_recording
from wire.policy import Effective, Policy

RENDER_THREADS = 2


class Rendered(msgspec.Struct, frozen=True):
    """What was made. `render_s` is the renderer and the H.264 encoder, without loading the models."""

    frames: int
    fps: float
    width: int
    height: int
    render_s: float
    render_s_per_segment: float


class Decoded(Rendered, frozen=True):
    """What `--json` prints.

    The seams are how visible the borders are at which the scene goes on (`cloud.render.seam`): 1 is not at
    all; null where it never does. `refused` is what the sender did not allow, and why.
    """

    seam_mean: float | None
    seam_worst: float | None
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """What the receiver wants: `policy` without its anchors, those as files, and the seed."""

    policy: Policy
    anchors: Sequence[Path] = ()
    seed: int = 0


def decode(opened: Opened, output: Path, wish: Wish) -> Decoded:
    """Render a recording into an MP4. Raises InputError, AnchorError, RenderError and OutputError."""
    camera = opened.recording.camera
    segments = opened.segments()
    if not segments:
        raise InputError(f"{opened.path}: holds no segment to render")
    terms, found = _in_force(opened, wish)
    policy, scenery = terms.rendering(found), terms.scenery(found)
    renderer = load_renderer(opened.bundle, RENDER_THREADS)
    rate = output_rate(camera, policy)
    width, height = output_size(camera, policy.long_side_px)
    subject: dict[str, object] = {
        "boot": opened.recording.birth.boot_id,
        "source": [camera.width, camera.height, camera.fps],
    }
    subject |= told(opened.bundle, policy)
    packets = opened.recording.packets
    statement = provenance(subject, opened.bundle.sha256, renderer, policy, wish.seed, packets)
    statement["constraints"] = stated(found)
    seams = Seams()
    started_s = time.perf_counter()
    make_parent(output)
    with (
        steps_shown("rendering", len(segments)) as done,
        Mp4Writer(output, width, height, rate, opened.path.stem, statement) as writer,
    ):
        clips = render_recording(segments, camera, renderer, policy, wish.seed, done, scenery)
        for index, frames in enumerate(clips):
            seams.add(frames, goes_on=goes_on(segments, index))
            writer.write(frames)
    render_s = time.perf_counter() - started_s
    return Decoded(
        writer.frames, float(rate), width, height, render_s, render_s / len(segments),
        seams.mean, seams.worst, tuple(f"{each.name}: {each.why}" for each in found.refused),
    )  # fmt: skip


def _in_force(opened: Opened, wish: Wish) -> tuple[Terms, Effective]:
    """Put what all packets demand before what is wished for. Raises InputError where that cannot be met."""
    bound = strictest(Bound.of(packet) for packet in opened.recording.packets)
    if bound.closed is not None:
        raise InputError(f"{opened.path}: {bound.closed}")
    anchors = read_anchors(wish.anchors)
    terms = Terms.of(replace(wish.policy, anchors=anchors.sha256s), anchors)
    found = terms.under(bound.demands)
    if found.unmet:
        raise InputError(f"{opened.path}: " + "; ".join(f"{each.name}: {each.why}" for each in found.unmet))
    return terms, found


def main(path: Path, output: Path, bundle: Path | None, wish: Wish, *, json: bool) -> None:
    """Decode and report. Raises what `decode` raises, and BundleError."""
    check_target(output, path)
    decoded = decode(open_recording(path, bundle, "cloud"), output, wish)
    if json:
        print_line(as_json(decoded))
    else:
        print_line(
            f"{output}: {decoded.frames} frames, {decoded.width}x{decoded.height} at {decoded.fps:g} fps, "
            f"{decoded.render_s_per_segment:.2f} s per segment"
        )
        for reason in decoded.refused:
            print_line(f"not as asked: {reason}")
