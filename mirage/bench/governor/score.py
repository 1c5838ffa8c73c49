"""What arrives, rendered and judged against its source: likeness of pictures, and of words.

Where no packet says what is to be seen, the last picture stays; where none says a word, there is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cloud.render.clip import render_segment
from cloud.render.load import load_renderer
from cloud.scene import resolve
from mirage.bench.governor.fit import Look
from mirage.bench.governor.policies import Outcome
from mirage.bench.governor.reel import SHOWN_PER_S, Reel, Scene
from wire.bundle import Bundle
from wire.policy import Policy
from wire.segment import Segment

if TYPE_CHECKING:
    from export.judges.features import Features, Panel
    from export.judges.text import Sentences

Frames = NDArray[np.uint8]
_POLICY = Policy(fps=SHOWN_PER_S, steps=1)


@dataclass(frozen=True, slots=True)
class Score:
    """Means over the seconds of a reel. `told`: share of moving seconds whose motion arrived.

    `scenes` are the sums of picture and words by clip, halved: what intervals are made of.
    """

    picture: float
    words: float
    told: float
    scenes: dict[str, float]

    @property
    def meaning(self) -> float:
        return (self.picture + self.words) / 2


class Judge:
    """Renders and compares; what was rendered once is remembered. Not for two threads at once."""

    def __init__(self, reel: Reel, bundle: Bundle, panel: "Panel", sentences: "Sentences") -> None:
        self._reel = reel
        self._codec = bundle.codec()
        self._renderer = load_renderer(bundle, 1)
        self._panel = panel
        self._sentences = sentences
        self._features: dict[str, tuple[Features, ...]] = {}
        self._rendered: dict[tuple[object, ...], Frames] = {}
        self._compared: dict[tuple[str, int, bytes], float] = {}
        self._vectors: dict[str, NDArray[np.float32]] = {}
        self.seen: list[Look] = []

    def score(self, outcome: Outcome) -> Score:
        """Judge what a policy sent."""
        by_scene = self._received(outcome)
        pictures, words, told, weights, moving = [], [], 0.0, [], 0.0
        scenes = {}
        last: dict[int, Frames] = {}
        for scene in self._reel.scenes:
            frames = self._shown(scene, by_scene[scene.name], last.get(scene.lane))
            last[scene.lane] = frames[-1]
            pictures.append(self._picture(scene, frames))
            self._look(scene, by_scene[scene.name], frames)
            said, moved, arrived = self._words(scene, by_scene[scene.name])
            words.append(said)
            told, moving = told + arrived, moving + moved
            weights.append(scene.duration_ms)
            scenes[scene.name] = (pictures[-1] + said) / 2
        return Score(
            float(np.average(pictures, weights=weights)), float(np.average(words, weights=weights)),
            told / moving if moving else 1.0, scenes,
        )  # fmt: skip

    def _received(self, outcome: Outcome) -> dict[str, list[Segment]]:
        """Read the packets camera by camera; segments count time and number from the start of their scene."""
        by_scene: dict[str, list[Segment]] = {scene.name: [] for scene in self._reel.scenes}
        for lane in range(self._reel.cameras):
            sent = [each for each in outcome.packets if each.scene.lane == lane]
            received = resolve([each.packet for each in sent], self._codec)
            for each, segment in zip(sent, received, strict=True):
                segments = by_scene[each.scene.name]
                start_ms = segment.start_ms - each.scene.start_ms
                segments.append(replace(segment, start_ms=start_ms, sequence=len(segments)))
        return by_scene

    def _shown(self, scene: Scene, segments: Sequence[Segment], last: Frames | None) -> Frames:
        """Give what a viewer sees of a scene (N, H, W, 3)."""
        shown = np.zeros_like(scene.source) + 127
        if last is not None and last.shape == shown.shape[1:]:
            shown[:] = last
        for index, segment in enumerate(segments):
            first = -(-segment.start_ms * SHOWN_PER_S // 1000)
            frames = self._render(scene, segments, index)
            end = min(first + len(frames), len(shown))
            shown[first:end] = frames[: end - first]
            if end > first:
                shown[end:] = shown[end - 1]
        return shown

    def _render(self, scene: Scene, segments: Sequence[Segment], index: int) -> Frames:
        around = [
            _content(segments[at]) if 0 <= at < len(segments) else None for at in range(index - 1, index + 2)
        ]
        key = (scene.name, index, *around)
        if key not in self._rendered:
            self._rendered[key] = render_segment(segments, index, scene.camera, self._renderer, _POLICY, 0)
        return self._rendered[key]

    def _picture(self, scene: Scene, frames: Frames) -> float:
        from export.judges.features import compare

        if scene.name not in self._features:
            self._features[scene.name] = self._panel.features(scene.source)
        keys = [(scene.name, number, frame.tobytes()) for number, frame in enumerate(frames)]
        new = [number for number, key in enumerate(keys) if key not in self._compared]
        different = list({keys[number][2]: number for number in new}.values())  # a picture that stays: once
        if different:
            place = {keys[number][2]: at for at, number in enumerate(different)}
            at = np.array([place[keys[number][2]] for number in new])
            made = [each[at] for each in self._panel.features(frames[different])]
            wanted = [each[new] for each in self._features[scene.name]]
            for number, value in zip(new, compare(made, wanted).spatial, strict=True):
                self._compared[keys[number]] = float(value)
        return float(np.mean([self._compared[key] for key in keys]))

    def _look(self, scene: Scene, segments: Sequence[Segment], frames: Frames) -> None:
        """Note what was had of the moments right after keyframes, for the fit."""
        by_start = {segment.start_ms: segment for segment in segments}
        for true in self._reel.segments(scene, 2000):
            number = -(-(true.start_ms + true.keyframe_ms) * SHOWN_PER_S // 1000)
            here = by_start.get(true.start_ms)
            if number >= len(frames) or here is None or true.tokens is None:
                continue
            likeness = self._compared[scene.name, number, frames[number].tobytes()]
            memory = here.memory
            depth = None if memory is None else memory.depth.astype(np.float64)
            wrong = None if memory is None else self._codec.difference(true.tokens, memory)
            self.seen.append(Look((scene.name, number), depth, wrong, likeness))

    def _words(self, scene: Scene, segments: Sequence[Segment]) -> tuple[float, float, float]:
        """Likeness of captions; seconds in which something moves, and those of which it is told."""
        total = moving = told = 0.0
        source = self._reel.segments(scene, 2000)
        for true in source:
            middle_ms = true.start_ms + true.duration_ms / 2
            here = [s for s in segments if s.start_ms <= middle_ms < s.start_ms + s.duration_ms]
            caption = here[0].caption if here else None
            if caption and true.caption:
                total += true.duration_ms * float(self._vector(caption) @ self._vector(true.caption))
            if true.motion is not None and (true.motion.objects or not true.motion.camera_rests):
                moving += true.duration_ms
                told += true.duration_ms if here and here[0].motion is not None else 0
        return total / scene.duration_ms, moving, told

    def _vector(self, caption: str) -> NDArray[np.float32]:
        if caption not in self._vectors:
            self._vectors[caption] = self._sentences.embed([caption])[0]
        return self._vectors[caption]


def _content(segment: Segment) -> tuple[object, ...]:
    tokens = None if segment.tokens is None else segment.tokens.tobytes()
    return (
        segment.start_ms, segment.duration_ms, segment.caption, segment.motion, tokens, segment.keyframe_ms,
        segment.still, segment.cut,
    )  # fmt: skip
