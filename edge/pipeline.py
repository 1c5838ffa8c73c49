"""From sampled frames to packets: what `mirage encode` and the agent both run.

camera -> Segmenter -> RawSegment -> Pipeline -> Segment -> Composer -> Packet
'----- in a thread, ahead -----'    motion, caption, tokens
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock
from time import perf_counter

import numpy as np

from edge.ahead import Ahead
from edge.appearance import AppearanceEncoder
from edge.captioner import Captioner
from edge.composer import Composer
from edge.embedding import EmbeddingEncoder
from edge.frame import Camera
from edge.graph import Graph
from edge.motion import estimate_motion
from edge.privacy.allowed import check_asked, layers_of, most_planes
from edge.privacy.coarsen import coarsened
from edge.privacy.words import Forbidden
from edge.runtime import CUDA, TENSORRT, Runtime
from edge.segmenter import TARGET_MS, RawSegment, Segmenter
from edge.settings import Detail, Settings, Timings
from wire.bundle import Bundle, BundleError
from wire.packet import Packet
from wire.policy import Effective, Network, Receiver, Sender, binding, effective
from wire.policy.tables import LayerName
from wire.segment import Segment
from wire.telemetry import Provider

__all__ = [
    "Described",
    "Detail",
    "Pipeline",
    "Settings",
    "Timings",
    "checked_planes",
    "raw_segments",
    "segments",
    "sends",
    "short_side_px",
]

_PROVIDERS = {TENSORRT: Provider.TENSORRT, CUDA: Provider.CUDA}
_AHEAD = 2  # segments of about 2 MB that may wait for the encoders


@dataclass(frozen=True, slots=True)
class _Encoders:
    """What makes that detail, as far as it is allowed: an encoder for each part of it.

    `most_planes` and `binding` are as `Composer.adopt` takes them.
    """

    detail: Detail
    allowed: Effective
    most_planes: int | None
    binding: bytes
    appearance: AppearanceEncoder | None
    embedding: EmbeddingEncoder | None

    def allows(self, layer: LayerName) -> bool:
        """Tell whether a layer may be sent."""
        return layer in layers_of(self.allowed)


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
        self._changing = Lock()
        self._chance = np.random.default_rng()  # nobody shall know the noise
        wish = self._settings
        self._wish = (wish.planes, wish.still_bytes, wish.vector)
        allowed = effective(wish.sender, wish.network, Receiver())
        self._captioner.forbid(Forbidden.of(wish.sender.words))
        self._encoders = self._load(wish.planes, wish.still_bytes, allowed, vector=wish.vector)

    def graphs(self) -> dict[str, Graph]:
        """Give the loaded graphs by their names in the bundle."""
        encoders = (self._captioner, self._encoders.appearance, self._encoders.embedding)
        return {name: graph for each in encoders if each for name, graph in each.graphs.items()}

    @property
    def provider(self) -> Provider:
        """What runs the graphs: the least able one of those that run any."""
        return min(_PROVIDERS.get(graph.provider, Provider.CPU) for graph in self.graphs().values())

    @property
    def detail(self) -> Detail:
        """How much is sent at present."""
        return self._encoders.detail

    def adopt(self, sender: Sender, planes: int | None, still_bytes: int, *, vector: bool) -> Detail:
        """Send no more than this from the next segment on, and so much of it; gives what comes of it.

        By any thread. Raises PolicyError and BundleError, and then nothing changes.
        """
        with self._changing:
            now = self._encoders
            allowed = effective(sender, now.allowed.tables.network, Receiver())
            encoders = self._load(planes, still_bytes, allowed, now, vector=vector)
            self._captioner.forbid(Forbidden.of(sender.words))
            self._encoders, self._wish = encoders, (planes, still_bytes, vector)
            return encoders.detail

    def check(self, sender: Sender, planes: int | None, *, vector: bool) -> None:
        """Raise PolicyError for more than such a sender and the network allow, BundleError for too little."""
        allowed = effective(sender, self.allowed.tables.network, Receiver())
        check_asked(allowed, most_planes(self._bundle, allowed), planes, vector=vector)

    @property
    def bundle(self) -> Bundle:
        return self._bundle

    @property
    def wish(self) -> tuple[int | None, int, bool]:
        """Planes, still bytes and vector as they were asked for, if sender and network allow them."""
        return self._wish

    @property
    def allowed(self) -> Effective:
        """What sender and network allow at present."""
        return self._encoders.allowed

    def carry(self, network: Network) -> Effective:
        """Send no more than goes by this link from the next segment on. As `adopt`."""
        with self._changing:
            now, (planes, still_bytes, vector) = self._encoders, self._wish
            allowed = effective(now.allowed.tables.sender, network, Receiver())
            self._encoders = self._load(planes, still_bytes, allowed, now, vector=vector)
            return allowed

    def composer(self, sequences: Iterator[int] | None = None) -> Composer:
        """Make the composer of one more camera."""
        settings = self._settings
        detail = self._encoders.detail
        return Composer(self._codec, detail.planes, settings.refresh_ms, sequences, detail.still_bytes)

    def understand(self, raw: RawSegment) -> tuple[Segment, Timings]:
        """Find out what a segment means; the time is counted by stage."""
        started, now = perf_counter(), self._encoders
        looks = not raw.still and now.allows("motion")
        moves = estimate_motion(raw.frames, raw.times_ms, raw.duration_ms) if looks else None
        moved = perf_counter()
        caption = None
        if now.allows("caption"):
            caption = self._captioner.describe(raw.frames, moves, still=raw.still)
        captioned = perf_counter()
        keyframe = coarsened(raw.frames[raw.keyframe], now.allowed.tables.sender, self._chance)
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
        now = self._encoders
        composer.adopt(now.detail.planes, now.detail.still_bytes, now.most_planes, now.binding)
        packet = composer.compose(segment)
        compose_ms = (perf_counter() - started) * 1e3
        spent = Timings(timings.motion_ms, timings.caption_ms, timings.appearance_ms, compose_ms)
        return Described(segment, packet, spent)

    def _load(
        self,
        planes: int | None,
        still_bytes: int,
        allowed: Effective,
        loaded: _Encoders | None = None,
        *,
        vector: bool,
    ) -> _Encoders:
        """Take what encoders are loaded already, and load the others. Raises BundleError."""
        most = most_planes(self._bundle, allowed)
        count = checked_planes(self._bundle, planes)
        count = count if most is None else min(count, most)
        appearance = loaded.appearance if loaded else None
        embedding = loaded.embedding if loaded else None
        if count and appearance is None:
            appearance = AppearanceEncoder(self._bundle, self._runtime)
        vector = vector and self._bundle.manifest.vector is not None
        vector = vector and "appearance-vector" in layers_of(allowed)
        if vector and embedding is None:
            embedding = EmbeddingEncoder(self._bundle, self._runtime)
        detail = Detail(count, vector, still_bytes)
        bound = binding.encode(allowed.binding)
        return _Encoders(
            detail, allowed, most, bound, appearance if count else None, embedding if vector else None
        )


def segments(camera: Camera, bundle: Bundle, settings: Settings | None = None) -> Iterator[Described]:
    """Describe a camera to its end. Raises CameraError and BundleError.

    Decoding begins before the models are loaded and goes on while they work.
    """
    settings = settings or Settings()
    with Ahead(raw_segments(camera, settings.segment_ms), _AHEAD, "capture") as waiting:
        pipeline = Pipeline(bundle, settings)
        composer = pipeline.composer()
        for raw in waiting:
            if sends(settings.sender, raw):
                yield pipeline.describe(raw, composer)


def sends(sender: Sender, raw: RawSegment) -> bool:
    """Tell whether anything of a segment may be sent."""
    return not sender.off and not (sender.on_motion and raw.still)


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
