"""What a receiver gets of clips that nothing was trained on, at each setting, and what it costs.

clip --> segments, understood once --setting--> packets --> bytes
                                                '--> keyframes as drawn --judges--> spatial cosine
                                                     '--> read out again --MiniLM--> like what was written?
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from cloud.render.keyframes import KeyframeDecoder
from cloud.scene import resolve
from edge.appearance import AppearanceEncoder
from edge.camera import open_camera
from edge.captioner import Captioner
from edge.composer import STILL_BYTES, Composer
from edge.motion import estimate_motion
from edge.pipeline import raw_segments, short_side_px
from edge.privacy.coarsen import coarsened
from edge.privacy.words import Forbidden
from edge.runtime import Runtime
from edge.segmenter import RawSegment
from mirage.bench.privacy.settings import Setting
from mirage.bench.quality.clips import Clip
from mirage.bench.quality.statistics import Estimate, estimate
from wire.bundle import Bundle
from wire.envelope import KEY_BYTES, SealedEnvelope
from wire.packet import Packet
from wire.segment import Segment

if TYPE_CHECKING:
    from export.judges.features import Panel
    from export.judges.text import Sentences

_TOPIC = "mirage/v1/acme/site-a/jetson-0f3a91c2/cam0/sem"
_LOOK_PX = 256  # at which the judges compare
_SHOWN = 4  # frames of a segment that a picture is read out from

Picture = NDArray[np.uint8]  # (H, W, 3)


class Fidelity(msgspec.Struct, frozen=True):
    """What one setting costs and says, over segments.

    bytes_per_s      sealed packets
    words            MiniLM cosine of the sent caption and the written one
    picture_words    the same of what the captioner reads out of the drawn keyframe
    picture          spatial cosine of the drawn keyframe and the source
    """

    setting: str
    bytes_per_s: float
    words: Estimate | None
    picture_words: Estimate | None
    picture: Estimate | None


@dataclass(frozen=True, slots=True, eq=False)
class Understood:
    """A segment of a clip with what somebody wrote of it; `segment` has no tokens yet."""

    clip: str
    raw: RawSegment
    segment: Segment
    written: str


class Scale:
    """Weighs settings over the same segments. Not for two threads at once."""

    def __init__(self, bundle: Bundle, panel: "Panel", sentences: "Sentences") -> None:
        self._bundle, self._panel, self._sentences = bundle, panel, sentences
        self._encoder = AppearanceEncoder(bundle, Runtime(1))
        self._decoder = KeyframeDecoder(bundle, 1)
        self._captioner = Captioner(bundle, Runtime(1))
        self._codec = bundle.codec()

    def understand(self, clips: Sequence[Clip], seconds: float) -> Iterator[Understood]:
        """Describe the segments of clips that somebody has described, too. Raises CameraError."""
        for clip in clips:
            camera = open_camera(str(clip.path), short_side_px=short_side_px(self._bundle))
            try:
                for raw in raw_segments(camera):
                    if raw.start_ms >= seconds * 1000:
                        break
                    written = _written(clip, raw)
                    if written is not None:
                        yield Understood(clip.name, raw, self._segment(raw), written)
            finally:
                camera.close()

    def weigh(self, understood: Sequence[Understood], setting: Setting) -> Fidelity:
        """Send everything at one setting, and look at what arrives."""
        self._captioner.forbid(Forbidden.of(setting.sender.words))
        packets, cost = self._packets(understood, setting)
        received = [segment for part in packets for segment in resolve(part, self._codec)]
        pairs = list(zip(understood, received, strict=True))
        drawn = [self._drawn(each.raw, segment) for each, segment in pairs]
        clips = [each.clip for each in understood]
        written = [each.written for each in understood]
        duration_s = sum(each.raw.duration_ms for each in understood) / 1000
        return Fidelity(
            setting.name,
            cost / duration_s,
            self._similar([segment.caption or "" for _, segment in pairs], written, clips),
            self._similar([self._captioner.describe(_still(each)) for each in drawn], written, clips),
            self._alike(drawn, [each.raw.frames[each.raw.keyframe] for each in understood], clips),
        )

    def _segment(self, raw: RawSegment) -> Segment:
        moves = None if raw.still else estimate_motion(raw.frames, raw.times_ms, raw.duration_ms)
        return Segment(
            raw.start_ms, raw.duration_ms, None, moves, None, raw.keyframe_ms, still=raw.still, cut=raw.cut
        )

    def _packets(self, understood: Sequence[Understood], setting: Setting) -> tuple[list[list[Packet]], int]:
        """Compose the packets of each clip; gives them and their bytes as sealed frames."""
        sealed, chance = SealedEnvelope(bytes(KEY_BYTES), 1), np.random.default_rng(0)
        cost, parts = 0, list[list[Packet]]()
        planes = setting.sent_planes
        for clip in dict.fromkeys(each.clip for each in understood):
            composer, part = Composer(self._codec, planes), list[Packet]()
            composer.adopt(planes, STILL_BYTES, setting.planes)
            for each in (each for each in understood if each.clip == clip):
                keyframe = coarsened(each.raw.frames[each.raw.keyframe], setting.sender, chance)
                tokens = self._encoder.encode(keyframe) if planes else None
                moves = each.segment.motion
                caption = self._captioner.describe(each.raw.frames, moves, still=each.raw.still)
                part.append(composer.compose(replace(each.segment, caption=caption or None, tokens=tokens)))
                cost += len(sealed.wrap(bytes(part[-1]), _TOPIC))
            parts.append(part)
        return parts, cost

    def _drawn(self, raw: RawSegment, segment: Segment) -> Picture:
        height, width = raw.frames.shape[1:3]
        picture = self._decoder.decode(segment.tokens)
        return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)

    def _similar(self, ours: Sequence[str], written: Sequence[str], clips: Sequence[str]) -> Estimate | None:
        cosines = (self._sentences.embed(ours) * self._sentences.embed(written)).sum(1)
        return estimate(cosines.tolist(), clips)

    def _alike(
        self, drawn: Sequence[Picture], wanted: Sequence[Picture], clips: Sequence[str]
    ) -> Estimate | None:
        cosines = [
            float(self._panel.likeness(_look(made), _look(truth)).spatial[0])
            for made, truth in zip(drawn, wanted, strict=True)
        ]
        return estimate(cosines, clips)


def _written(clip: Clip, raw: RawSegment) -> str | None:
    """Give what was written of most of a segment, if anything was."""
    start_s, end_s = raw.start_ms / 1000, (raw.start_ms + raw.duration_ms) / 1000
    shared = {each: min(each.end_s, end_s) - max(each.start_s, start_s) for each in clip.captions}
    best = max(shared, key=lambda each: shared[each], default=None)
    return best.text if best is not None and shared[best] > 0.5 * (best.end_s - best.start_s) else None


def _still(picture: Picture) -> NDArray[np.uint8]:
    return np.repeat(picture[None], _SHOWN, axis=0)


def _look(picture: Picture) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    scale = _LOOK_PX / max(height, width)
    size = (round(width * scale), round(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)[None], np.uint8)
