"""`mirage bench confidence`: what a score of confidence is worth, and whether renderers obey.

    clips --mirage encode--> segments --render--> pictures --the sender's encoder--> codes
      own     a segment's code, and that of its reconstruction         typical = median: 1.0
      other   a segment's code, and that of another clip's             other = median: 0.0

Then each segment is rendered with what another clip said (`cloud.confidence.obedience`), by the bundle's
renderer and by one that hears nothing.
"""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cloud.confidence.assessor import keyframe_of
from cloud.confidence.calibration import DOUBTFUL, Calibration, path_of, written
from cloud.confidence.obedience import OBEYS, Shot, Verdict, compare
from cloud.confidence.reader import Reader
from cloud.render.clip import render_segment
from cloud.render.load import load_renderer
from cloud.render.renderer import Context, Renderer, never, output_rate
from mirage.bench.quality.clips import select
from mirage.bench.render import encoding
from mirage.bench.report import Gate, Report, revision
from mirage.bundles import bundle_folder
from mirage.errors import InputError
from mirage.output import write_whole
from mirage.progress import steps_shown
from mirage.recordings import Opened
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.policy import Policy
from wire.segment import Segment

AUC_TARGET, COST_TARGET, CAUGHT_TARGET = 0.99, 0.05, 0.05
_POLICY = Policy()
_SEED = 0


@dataclass(frozen=True, slots=True)
class Request:
    """Which clips (`mirage.bench.quality.clips`), so many segments of each; `write` the calibration."""

    clips: Path | None
    held_out: Sequence[str]
    bundle: Path | None
    segments: int
    write: bool


@dataclass(frozen=True, slots=True)
class _Sample:
    """A shot of a clip, what its reconstruction was described as, and the seconds of both."""

    clip: str
    shot: Shot
    seen: Segment
    likeness: float
    render_s: float
    describe_s: float


class Deaf:
    """A renderer that hears nothing: whatever it is told, it draws what it was first told."""

    def __init__(self, renderer: Renderer, told: Segment) -> None:
        self._renderer = renderer
        self._told = told
        self.name, self.carries = f"deaf {renderer.name}", 0

    def render(
        self,
        segment: Segment,
        context: Context,
        camera: CameraInfo,
        policy: Policy,
        seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:
        deaf = replace(segment, tokens=self._told.tokens, vector=self._told.vector, caption=None, motion=None)
        return self._renderer.render(deaf, context, camera, policy, seed, cancelled)


def run(request: Request) -> Report:
    """Measure, and write the calibration if asked for. Raises InputError, BundleError, RenderError."""
    folder = bundle_folder(request.bundle)
    chosen = select(request.clips, request.held_out).clips
    with steps_shown("encoding", len(chosen)) as done:
        recordings = [(clip.name, _encoded(folder, clip.path, done)) for clip in chosen]
    bundle = Bundle.load(folder, "cloud")
    renderer, reader = load_renderer(bundle, 1), Reader(bundle)
    with steps_shown("rendering", len(recordings)) as done:
        samples = [
            each
            for name, opened in recordings
            for each in _samples(name, opened, renderer, reader, request.segments, done)
        ]
    own = [sample.likeness for sample in samples]
    other = [value for value in _crossed(samples, reader) if value is not None]
    if not own or not other:
        raise InputError("at least two clips with an appearance code are needed: --clips FOLDER")
    found = _calibration(bundle, renderer, reader, samples, own, other)
    moving = [sample.shot for sample in samples if not sample.shot.segment.still]
    shots = moving or [sample.shot for sample in samples]  # what rests is often no more than decoded
    with steps_shown("rendering with what others said", 2 * len(shots)) as done:
        heard = compare(renderer, reader, shots, _SEED, done)
        deaf = compare(Deaf(renderer, shots[0].segment), reader, shots, _SEED, done)
    if request.write:
        write_whole(path_of(bundle), written(found))
    gates, results = _judged(found, samples, own, other, (heard, deaf))
    return Report("confidence", gates, results)


def _encoded(folder: Path, clip: Path, done: Callable[[], None]) -> Opened:
    opened = encoding(folder, clip).opened
    done()
    return opened


def _samples(
    clip: str, opened: Opened, renderer: Renderer, reader: Reader, most: int, done: Callable[[], None]
) -> list[_Sample]:
    segments, camera, found = opened.segments(), opened.recording.camera, list[_Sample]()
    for index, segment in enumerate(segments[:most]):
        began_s = time.perf_counter()
        frames = render_segment(segments, index, camera, renderer, _POLICY, _SEED)
        rendered_s = time.perf_counter()
        if len(frames) == 0:
            continue
        place = keyframe_of(segment, output_rate(camera, _POLICY), len(frames))
        seen = reader.describe(frames[place], segment)
        likeness = None if seen is None else reader.alike(segment, seen)
        described_s = time.perf_counter()
        if seen is not None and likeness is not None:
            shot = Shot(f"{clip} {segment.sequence}", segment, camera, _POLICY)
            times = rendered_s - began_s, described_s - rendered_s
            found.append(_Sample(clip, shot, seen, likeness, *times))
    done()
    return found


def _crossed(samples: Sequence[_Sample], reader: Reader) -> list[float | None]:
    return [
        reader.alike(one.shot.segment, other.seen)
        for one in samples
        for other in samples
        if one.clip != other.clip
    ]


def _calibration(
    bundle: Bundle,
    renderer: Renderer,
    reader: Reader,
    samples: Sequence[_Sample],
    own: Sequence[float],
    other: Sequence[float],
) -> Calibration:
    return Calibration(
        schema=1,
        bundle=bundle.sha256,
        renderer=renderer.name,
        measure="tokens-1" if reader.measure == "tokens-1" else "vector-1",
        typical=round(statistics.median(own), 4),
        other=round(statistics.median(other), 4),
        measured={
            "clips": len({sample.clip for sample in samples}),
            "segments": len(own),
            "pairs": len(other),
            "long_side_px": _POLICY.long_side_px,
            "revision": revision(),
            "date": f"{datetime.now(timezone.utc):%Y-%m-%d}",
            "command": "mirage bench confidence --write",
        },
    )


def _judged(
    found: Calibration,
    samples: Sequence[_Sample],
    own: Sequence[float],
    other: Sequence[float],
    verdicts: tuple[Verdict, Verdict],
) -> tuple[tuple[Gate, ...], dict[str, object]]:
    heard, deaf = verdicts
    moving = [sample for sample in samples if not sample.shot.segment.still] or list(samples)
    cost = statistics.median(each.describe_s for each in moving)
    rendering = statistics.median(each.render_s for each in moving)
    shares = {
        "own_from_0_5_on": _share(own, found),
        "other_from_0_5_on": _share(other, found),
    }
    gates = (
        Gate.at_least("own_above_other", _auc(own, other), "share of pairs", AUC_TARGET),
        Gate.at_least("own_not_doubtful", shares["own_from_0_5_on"], "share", AUC_TARGET),
        Gate.at_most("other_not_doubtful", shares["other_from_0_5_on"], "share", 1 - AUC_TARGET),
        Gate.at_least("obedience", _value(heard), "median", OBEYS),
        Gate.at_most("obedience_of_a_deaf_renderer", abs(_value(deaf)), "median", CAUGHT_TARGET),
        Gate.at_most("cost_beside_rendering", cost / rendering, "ratio", COST_TARGET),
    )
    results: dict[str, object] = {
        "renderer": heard.renderer,
        "measure": found.measure,
        "typical": found.typical,
        "other": found.other,
        "measured": dict(found.measured),
        "own": _spread(own, found),
        "others": _spread(other, found),
        "obedience_lowest": min((each.obedience for each in heard.compared), default=None),
        "compared": len(heard.compared),
        "describe_ms": 1000 * cost,
        "render_ms": 1000 * rendering,
        "load_average": os.getloadavg()[0],
    }
    return gates, results


def _value(verdict: Verdict) -> float:
    if verdict.obedience is None:
        raise InputError("all scenes are alike, so nothing can be compared: --clips FOLDER with others")
    return verdict.obedience


def _share(likenesses: Sequence[float], found: Calibration) -> float:
    return sum(found.score(each) >= DOUBTFUL for each in likenesses) / len(likenesses)


def _spread(likenesses: Sequence[float], found: Calibration) -> dict[str, float]:
    """Give quantiles of likenesses, and of the scores that they make."""
    percents = np.quantile(np.array(likenesses), (0, 0.01, 0.5, 0.99, 1)).tolist()
    names = ("lowest", "percent_1", "median", "percent_99", "most")
    scores = {f"score_{name}": found.score(value) for name, value in zip(names, percents, strict=True)}
    return {name: round(value, 4) for name, value in zip(names, percents, strict=True)} | scores


def _auc(own: Sequence[float], other: Sequence[float]) -> float:
    """Give the share of pairs of which the own likeness is the greater one."""
    return float((np.array(own)[:, None] > np.array(other)[None]).mean())
