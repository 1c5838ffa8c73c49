"""From sampled frames to packets: what `mirage encode` and the agent both run.

camera -> Segmenter -> RawSegment -> Pipeline -> Segment -> Composer -> Packet
'----- in a thread, ahead -----'    motion, caption, tokens
"""

from collections.abc import Callable, Iterator
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
class Detail:
    """How much of a segment is sent; may change while the pipeline runs. See `Settings`."""

    planes: int
    vector: bool
    still_bytes: int


@dataclass(frozen=True, slots=True)
class _Encoders:
    """What makes that detail: an encoder for each part of it."""

    detail: Detail
    appearance: AppearanceEncoder | None
    embedding: EmbeddingEncoder | None


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
        checked_planes(bundle, self._settings.planes)  # before anything is loaded
        self._bundle = bundle
        self._codec = bundle.codec()
        self._runtime = Runtime(self._settings.threads, self._settings.engine_cache)
        self._captioner = Captioner(bundle, self._runtime, self._settings.beams)
        self._encoders = self._load(
            self._settings.planes, self._settings.still_bytes, vector=self._settings.vector
        )

    def graphs(self) -> dict[str, Graph]:
        """Give the loaded graphs by their names in the bundle."""
        encoders = (self._captioner, self._encoders.appearance, self._encoders.embedding)
        return {name: graph for each in encoders if each for name, graph in each.graphs.items()}

    @property
    def detail(self) -> Detail:
        """How much is sent at present."""
        return self._encoders.detail

    def apply(self, planes: int | None, still_bytes: int, *, vector: bool) -> Detail:
        """Send as much as this from the next segment on; gives what comes of it.

        For one thread at a time, which need not be the one that describes. Raises BundleError.
        """
        self._encoders = self._load(planes, still_bytes, self._encoders, vector=vector)
        return self._encoders.detail

    def composer(self, sequences: Iterator[int] | None = None) -> Composer:
        """Make the composer of one more camera."""
        settings = self._settings
        detail = self._encoders.detail
        return Composer(self._codec, detail.planes, settings.refresh_ms, sequences, detail.still_bytes)

    def understand(self, raw: RawSegment) -> tuple[Segment, Timings]:
        """Find out what a segment means; the time is counted by stage."""
        started = perf_counter()
        moves = None if raw.still else estimate_motion(raw.frames, raw.times_ms, raw.duration_ms)
        moved = perf_counter()
        caption = self._captioner.describe(raw.frames, moves, still=raw.still)
        captioned = perf_counter()
        keyframe, now = raw.frames[raw.keyframe], self._encoders
        tokens = None if now.appearance is None else now.appearance.encode(keyframe)
        vector = None if now.embedding is None else now.embedding.encode(keyframe)
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
        detail = self._encoders.detail
        composer.adopt(detail.planes, detail.still_bytes)
        packet = composer.compose(segment)
        compose_ms = (perf_counter() - started) * 1e3
        spent = Timings(timings.motion_ms, timings.caption_ms, timings.appearance_ms, compose_ms)
        return Described(segment, packet, spent)

    def _load(
        self,
        planes: int | None,
        still_bytes: int,
        loaded: _Encoders | None = None,
        *,
        vector: bool,
    ) -> _Encoders:
        """Take what encoders are loaded already, and load the others. Raises BundleError."""
        count = checked_planes(self._bundle, planes)
        appearance = loaded.appearance if loaded else None
        embedding = loaded.embedding if loaded else None
        if count and appearance is None:
            appearance = AppearanceEncoder(self._bundle, self._runtime)
        vector = vector and self._bundle.manifest.vector is not None
        if vector and embedding is None:
            embedding = EmbeddingEncoder(self._bundle, self._runtime)
        detail = Detail(count, vector, still_bytes)
        return _Encoders(detail, appearance if count else None, embedding if vector else None)


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


def raw_segments(camera: Camera, segment_ms: int | Callable[[], int] = TARGET_MS) -> Iterator[RawSegment]:
    """Cut a camera's frames into segments, up to where its last frame ends.

    `segment_ms` may change while the camera runs: then it is asked at each frame.
    """
    length_ms = segment_ms if callable(segment_ms) else lambda: segment_ms
    segmenter = Segmenter(length_ms())
    for frame in camera:
        segmenter.target_ms = length_ms()
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
