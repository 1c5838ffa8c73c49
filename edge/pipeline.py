"""From sampled frames to packets: what `mirage encode` and the agent both run.

camera -> Segmenter -> RawSegment -> Pipeline -> Segment -> Composer -> Packet
'----- in a thread, ahead -----'    motion, caption, tokens
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from edge.ahead import Ahead
from edge.appearance import AppearanceEncoder
from edge.captioner import Captioner
from edge.composer import REFRESH_MS, STILL_BYTES, Composer
from edge.embedding import EmbeddingEncoder
from edge.frame import Camera
from edge.graph import Graph
from edge.motion import estimate_motion
from edge.runtime import Runtime
from edge.segmenter import TARGET_MS, RawSegment, Segmenter
from wire.bundle import Bundle, BundleError
from wire.packet import Packet
from wire.segment import Segment

_AHEAD = 2  # segments of about 2 MB that may wait for the encoders


@dataclass(frozen=True, slots=True)
class Settings:
    """How to encode. `planes` of the tokens are sent: None for the bundle's default, 0 for none.

    Before a camera that rests, a keyframe that builds on no other is sent twice as deep.

    `vector`: whether to send the embedding, where the bundle has one. `beams`: sentences that the captioner
    follows at once; 1 is greedy.

    Still segments send as many as their packets have room for in `still_bytes` between two refreshes.
    """

    planes: int | None = None
    vector: bool = True
    segment_ms: int = TARGET_MS
    refresh_ms: int = REFRESH_MS
    still_bytes: int = STILL_BYTES
    threads: int = 1
    beams: int = 1
    engine_cache: Path | None = None


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds that each stage took."""

    motion_ms: float
    caption_ms: float
    appearance_ms: float
    compose_ms: float = 0.0

    @property
    def total_ms(self) -> float:
        return sum(self.by_stage().values())

    def by_stage(self) -> dict[str, float]:
        """Name the stages as users see them."""
        return {
            "motion": self.motion_ms,
            "caption": self.caption_ms,
            "appearance": self.appearance_ms,
            "compose": self.compose_ms,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """One segment, understood and packed."""

    segment: Segment
    packet: Packet
    timings: Timings


class Pipeline:
    """The bundle's sender half, loaded. Not for two threads at once."""

    def __init__(self, bundle: Bundle, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._planes = checked_planes(bundle, self._settings.planes)
        self._codec = bundle.codec()
        runtime = Runtime(self._settings.threads, self._settings.engine_cache)
        self._captioner = Captioner(bundle, runtime, self._settings.beams)
        self._appearance = AppearanceEncoder(bundle, runtime) if self._planes else None
        self._embedding = None
        if bundle.manifest.vector is not None and self._settings.vector:
            self._embedding = EmbeddingEncoder(bundle, runtime)

    def graphs(self) -> dict[str, Graph]:
        """Give the loaded graphs by their names in the bundle."""
        encoders = (self._captioner, self._appearance, self._embedding)
        return {name: graph for each in encoders if each for name, graph in each.graphs.items()}

    def composer(self, sequences: Iterator[int] | None = None) -> Composer:
        """Make the composer of one more camera."""
        settings = self._settings
        return Composer(
            self._codec, self._planes, settings.refresh_ms, sequences, still_bytes=settings.still_bytes
        )

    def understand(self, raw: RawSegment) -> tuple[Segment, Timings]:
        """Find out what a segment means; the time is counted by stage."""
        started = perf_counter()
        moves = None if raw.still else estimate_motion(raw.frames, raw.times_ms, raw.duration_ms)
        moved = perf_counter()
        caption = self._captioner.describe(raw.frames, moves, still=raw.still)
        captioned = perf_counter()
        keyframe = raw.frames[raw.keyframe]
        tokens = None if self._appearance is None else self._appearance.encode(keyframe)
        vector = None if self._embedding is None else self._embedding.encode(keyframe)
        seen = perf_counter()
        segment = Segment(
            start_ms=raw.start_ms,
            duration_ms=raw.duration_ms,
            caption=caption or None,
            motion=moves,
            tokens=tokens,
            keyframe_ms=raw.keyframe_ms,
            still=raw.still,
            cut=raw.cut,
            vector=vector,
        )
        timings = Timings((moved - started) * 1e3, (captioned - moved) * 1e3, (seen - captioned) * 1e3)
        return segment, timings

    def describe(self, raw: RawSegment, composer: Composer) -> Described:
        """Understand a segment and pack it."""
        segment, timings = self.understand(raw)
        started = perf_counter()
        packet = composer.compose(segment)
        compose_ms = (perf_counter() - started) * 1e3
        spent = Timings(timings.motion_ms, timings.caption_ms, timings.appearance_ms, compose_ms)
        return Described(segment, packet, spent)


def segments(camera: Camera, bundle: Bundle, settings: Settings | None = None) -> Iterator[Described]:
    """Describe a camera to its end. Raises CameraError and BundleError.

    Decoding begins before the models are loaded and goes on while they work.
    """
    settings = settings or Settings()
    with Ahead(raw_segments(camera, settings.segment_ms), _AHEAD, "capture") as waiting:
        pipeline = Pipeline(bundle, settings)
        composer = pipeline.composer()
        for raw in waiting:
            yield pipeline.describe(raw, composer)


def raw_segments(camera: Camera, segment_ms: int = TARGET_MS) -> Iterator[RawSegment]:
    """Cut a camera's frames into segments, up to where its last frame ends."""
    segmenter = Segmenter(segment_ms)
    for frame in camera:
        yield from segmenter.push(frame)
    yield from segmenter.flush(round(camera.end_us / 1000))


def short_side_px(bundle: Bundle) -> int:
    """Size at which a camera should sample for this bundle: its encoders see no more."""
    manifest = bundle.manifest
    encoders = (info for info in (manifest.appearance, manifest.vector) if info is not None)
    return max(manifest.captioner.tile_px, *(info.input_px for info in encoders), 0)


def checked_planes(bundle: Bundle, planes: int | None) -> int:
    """How many planes of tokens to send; raises BundleError for a number that the bundle cannot send."""
    info = bundle.manifest.appearance
    if info is None:
        if planes:
            raise BundleError(f"{bundle.root}: has no [appearance], so planes can only be 0")
        return 0
    if planes is None:
        return info.default_planes
    if planes != 0 and not info.coarse_planes <= planes <= info.planes:
        raise BundleError(
            f"{bundle.root}: planes is {planes}, not 0 or {info.coarse_planes} to {info.planes}"
        )
    return planes
