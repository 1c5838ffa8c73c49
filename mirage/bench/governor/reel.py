"""Recorded scenes, one after the other, as the cameras of a device would have seen them.

camera 0   | clip 0 | clip 4 | ...      each clip begins with a cut; all cameras share one budget
camera 1   | clip 1 | clip 5 | ...
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.camera import open_camera
from edge.pipeline import Pipeline, raw_segments, short_side_px
from mirage.bench.quality.clips import RATE, Clip, read
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.segment import Segment

SHOWN_PER_S = 1  # frames of a clip that the judges see
Frames = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A clip: where it lies on the reel, and what the judges compare with, SHOWN_PER_S frames a second."""

    name: str
    lane: int  # which camera of the device sees it
    start_ms: int
    duration_ms: int
    camera: CameraInfo
    source: Frames


class Reel:
    """The clips, understood at any length of segments; each length once."""

    def __init__(
        self, clips: tuple[Clip, ...], bundle: Bundle, pipeline: Pipeline, seconds: float, cameras: int
    ) -> None:
        self._bundle = bundle
        self._pipeline = pipeline
        self._seconds = seconds
        self._paths = {clip.name: str(clip.path) for clip in clips}
        self._understood: dict[tuple[str, int], tuple[Segment, ...]] = {}
        self.cameras = cameras
        self.scenes = tuple(self._scenes(clips))

    @property
    def duration_ms(self) -> int:
        return max(scene.start_ms + scene.duration_ms for scene in self.scenes)

    def segments(self, scene: Scene, segment_ms: int) -> tuple[Segment, ...]:
        """Cut a scene to this length. Segments count time from the start of their clip."""
        key = (scene.name, segment_ms)
        if key not in self._understood:
            self._understood[key] = self._understand(scene.name, segment_ms)
        return self._understood[key]

    def _scenes(self, clips: tuple[Clip, ...]) -> Iterator[Scene]:
        ends_ms = [0] * self.cameras
        for clip in clips:
            lane = ends_ms.index(min(ends_ms))
            made = self._understand(clip.name, 2000)
            self._understood[clip.name, 2000] = made
            end_ms = made[-1].start_ms + made[-1].duration_ms
            source = read(clip.path, end_ms / 1000)
            frames = source.frames[:: RATE // SHOWN_PER_S]
            yield Scene(clip.name, lane, ends_ms[lane], end_ms, source.camera, frames)
            ends_ms[lane] += end_ms

    def _understand(self, name: str, segment_ms: int) -> tuple[Segment, ...]:
        camera = open_camera(self._paths[name], short_side_px=short_side_px(self._bundle))
        made = list[Segment]()
        try:
            for raw in raw_segments(camera, segment_ms):
                if made and raw.start_ms >= self._seconds * 1000:
                    break
                made.append(self._pipeline.understand(raw)[0])
        finally:
            camera.close()
        return (replace(made[0], cut=True), *made[1:])
