"""One clip through the whole system, and beside it whatever else could be made of as many bytes.

clip --encode--> packets --render--> ours          held, cross-fade, warp from the same packets
       '-- as many bytes --> AV1, x265 at the best size and rate
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from cloud.render.clip import render_recording
from cloud.render.load import load_renderer
from cloud.render.renderer import Renderer
from cloud.scene import resolve
from edge.camera import open_camera
from edge.captioner import Captioner
from edge.motion import estimate_motion
from edge.pipeline import Described, Settings, segments, short_side_px
from edge.runtime import Runtime
from mirage.bench.quality import baselines
from mirage.bench.quality.clips import RATE, Clip, Source, read
from mirage.bench.quality.codecs import CODERS
from mirage.bench.quality.fitting import best_of_rates, shrink
from mirage.bench.quality.metrics import Meter, Scores, unrest
from mirage.errors import InputError
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.envelope import KEY_BYTES, PlainEnvelope, SealedEnvelope
from wire.policy import Policy
from wire.segment import Segment

if TYPE_CHECKING:
    from export.judges.features import Panel

Frames = NDArray[np.uint8]
OURS, ONE_STEP = "ours", "ours, 1 step"
_TOPIC = "mirage/v1/acme/site-a/jetson-0f3a91c2/cam0/sem"
_COLUMNS = 4  # pictures of a strip


class Said(msgspec.Struct, frozen=True):
    """Captions of one segment: ours, ours of the reconstruction, and what somebody wrote, if they did."""

    clip: str
    start_s: float
    end_s: float
    caption: str
    of_reconstruction: str
    written: str | None = None
    camera: str | None = None
    motion: str | None = None


class Outcome(msgspec.Struct, frozen=True):
    """Everything measured of one clip. `packet_bytes` are unsealed frames, `sealed_bytes` sealed ones."""

    clip: str
    width: int
    height: int
    fps: float
    duration_s: float
    segments: int
    still_segments: int
    packet_bytes: int
    sealed_bytes: int
    bits_per_s: float
    source_unrest: float
    seam: float | None  # step across segment borders / step inside segments, of ours
    scores: dict[str, Scores]
    said: tuple[Said, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """Pictures of one clip to look at: name -> (columns, H, W, 3), at the same moments."""

    clip: str
    rows: dict[str, Frames]


class Bench:
    """A bundle's two halves, loaded once for many clips. Not for two threads at once."""

    def __init__(self, bundle: Bundle, threads: int, seconds: float) -> None:
        self._bundle = bundle
        self._settings = Settings(threads=threads)
        self._seconds = seconds
        self._renderer: Renderer = load_renderer(bundle, threads)
        self._captioner = Captioner(bundle, Runtime(threads))

    def words(self, clip: Clip) -> tuple[Said, ...]:
        """Caption a clip and its reconstruction, no more. Raises CameraError, InputError, RenderError."""
        _, received, source = self._sent(clip)
        ours = render(received, source.camera, self._renderer, Policy(fps=RATE))
        return tuple(self._said(clip, segment, ours) for segment in received)

    def measure(self, clip: Clip, panel: "Panel") -> tuple[Outcome, Strip]:
        """Run one clip. Raises CameraError, InputError, CodecError, RenderError."""
        described, received, source = self._sent(clip)
        made = self._variants(received, source.camera)
        count = min(len(source.frames), *(len(frames) for frames in made.values()))
        meter = Meter(source.frames[:count], panel)
        cost, sealed = sent_bytes(described)
        scores = {name: meter.score(frames[:count], "", cost) for name, frames in made.items()}
        rows = {"source": source.frames[:count], OURS: made[OURS][:count]}
        for coder in CODERS:
            tried = best_of_rates(coder, source.frames[:count], RATE, cost)
            fitted, frames = tried[meter.best([frames for _, frames in tried])]
            setting = f"{fitted.width}x{fitted.height}, {fitted.fps}/s, CRF {fitted.crf}"
            spent = fitted.coded.payload_bytes
            scores[coder.name] = meter.score(frames, setting, spent, fits=fitted.fits)
            rows[coder.name] = frames
        outcome = self._outcome(clip, source, received, (cost, sealed), scores, made[OURS][:count])
        return outcome, _strip(clip, rows)

    def _sent(self, clip: Clip) -> tuple[list[Described], list[Segment], Source]:
        described = describe(clip.path, self._bundle, self._settings, self._seconds)
        received = resolve([each.packet for each in described], self._bundle.codec())
        end_s = (received[-1].start_ms + received[-1].duration_ms) / 1000
        return described, received, read(clip.path, end_s)

    def _variants(self, received: Sequence[Segment], camera: CameraInfo) -> dict[str, Frames]:
        policy, hasty = Policy(fps=RATE), Policy(fps=RATE, steps=1)
        made = {
            OURS: render(received, camera, self._renderer, policy),
            ONE_STEP: render(received, camera, self._renderer, hasty),
        }
        for name, baseline in baselines.BASELINES.items():
            made[name] = baselines.render(baseline, received, camera, self._renderer, policy)
        return made

    def _outcome(
        self, clip: Clip, source: Source, received: Sequence[Segment], cost: tuple[int, int],
        scores: dict[str, Scores], ours: Frames,
    ) -> Outcome:  # fmt: skip
        camera, duration_s = source.camera, sum(segment.duration_ms for segment in received) / 1000
        return Outcome(
            clip=clip.name, width=camera.width, height=camera.height, fps=camera.fps, duration_s=duration_s,
            segments=len(received), still_segments=sum(segment.still for segment in received),
            packet_bytes=cost[0], sealed_bytes=cost[1], bits_per_s=8 * cost[0] / duration_s,
            source_unrest=unrest(source.frames), seam=seam(received, ours), scores=scores,
            said=tuple(self._said(clip, segment, ours) for segment in received),
        )  # fmt: skip

    def _said(self, clip: Clip, segment: Segment, ours: Frames) -> Said:
        start_s, end_s = segment.start_ms / 1000, (segment.start_ms + segment.duration_ms) / 1000
        first = min(round(start_s * RATE), len(ours) - 1)
        shown = ours[first : max(round(end_s * RATE), first + 1)]
        side = short_side_px(self._bundle)
        height, width = shown.shape[1:3]
        if min(width, height) > side:  # as a camera would have given them
            scale = side / min(width, height)
            shown = shrink(shown, round(width * scale), round(height * scale))
        of_reconstruction = self._describe(shown)
        written = [
            each for each in clip.captions
            if min(each.end_s, end_s) - max(each.start_s, start_s) > 0.5 * (each.end_s - each.start_s)
        ]  # fmt: skip
        said = Said(clip.name, start_s, end_s, segment.caption or "", of_reconstruction)
        if not written:
            return said
        best = max(written, key=lambda each: min(each.end_s, end_s) - max(each.start_s, start_s))
        return msgspec.structs.replace(said, written=best.text, camera=best.camera, motion=best.motion)

    def _describe(self, frames: Frames) -> str:
        """Caption a reconstruction as a device would, that filmed it."""
        still = bool((frames == frames[0]).all())
        times_ms = np.arange(len(frames), dtype=np.int64) * 1000 // RATE
        moves = None if still else estimate_motion(frames, times_ms, 1000 * len(frames) // RATE)
        return self._captioner.describe(frames, moves, still=still)


def describe(clip: Path, bundle: Bundle, settings: Settings, seconds: float) -> list[Described]:
    """Encode the segments of a clip that begin in its first `seconds`. Raises CameraError, InputError."""
    camera = open_camera(str(clip), short_side_px=short_side_px(bundle))
    try:
        made = segments(camera, bundle, settings)
        described = list(takewhile(lambda each: each.packet.captured_ms < seconds * 1000, made))
    finally:
        camera.close()
    if not described:
        raise InputError(f"{clip}: holds no segment")
    return described


def sent_bytes(described: Sequence[Described]) -> tuple[int, int]:
    """Count whole frames as they would be published: unsealed, and sealed."""
    plain, sealed = PlainEnvelope(), SealedEnvelope(bytes(KEY_BYTES), 1)
    bodies = [bytes(each.packet) for each in described]
    return (
        sum(len(plain.wrap(body, _TOPIC)) for body in bodies),
        sum(len(sealed.wrap(body, _TOPIC)) for body in bodies),
    )


def render(segments_: Sequence[Segment], camera: CameraInfo, renderer: Renderer, policy: Policy) -> Frames:
    """Render a whole recording: (T, H, W, 3)."""
    return np.concatenate(list(render_recording(segments_, camera, renderer, policy, 0)))


def seam(received: Sequence[Segment], frames: Frames) -> float | None:
    """How much larger the step from segment to segment is than a step inside one; cuts are not seams.

    Mean absolute difference of neighbouring frames. None without seams, or where nothing moves inside.
    """
    steps = np.abs(np.diff(frames.astype(np.int16), axis=0)).mean((1, 2, 3))
    borders = {round(segment.start_ms * RATE / 1000): segment for segment in received[1:]}
    across = [steps[place - 1] for place, s in borders.items() if not s.cut and 0 < place <= len(steps)]
    inside = [step for place, step in enumerate(steps, 1) if place not in borders]
    if not across or not inside or np.mean(inside) == 0:
        return None
    return float(np.mean(across) / np.mean(inside))


def _strip(clip: Clip, rows: dict[str, Frames]) -> Strip:
    count = len(next(iter(rows.values())))
    places = ((np.arange(_COLUMNS) + 0.5) / _COLUMNS * count).astype(int)
    return Strip(clip.name, {name: frames[places] for name, frames in rows.items()})
