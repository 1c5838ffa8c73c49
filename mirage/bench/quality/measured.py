"""Everything that was measured, and the means that are made of it."""

from collections.abc import Sequence

import msgspec

from mirage.bench.quality.codecs import CODERS
from mirage.bench.quality.commands import Verdict
from mirage.bench.quality.costs import Costs
from mirage.bench.quality.metrics import Scores
from mirage.bench.quality.statistics import Estimate, estimate, paired
from mirage.bench.quality.stills import OURS, Still
from mirage.bench.quality.system import Outcome, Said
from mirage.bench.quality.words import Words

CODEC_NAMES = tuple(coder.name for coder in CODERS)
MAX_BITS_PER_S = 1000
_METRICS = (
    "spatial", "pooled", "psnr_db", "flow_agreement", "flow_direction", "flow_speed", "unrest", "bytes",
)  # fmt: skip


class StillSummary(msgspec.Struct, frozen=True):
    """Still pictures at one size: what was asked for and what it came to, by name of the codec."""

    target_bytes: int
    planes: int
    keyframes: int
    means: dict[str, dict[str, Estimate]]
    over_codec: dict[str, dict[str, Estimate]]  # ours less theirs, picture by picture
    floors: dict[str, int]  # pictures for which a codec cannot go so low
    retrieval: Estimate


class Obedience(msgspec.Struct, frozen=True):
    """Commands of one kind: share that was right, and where there is a speed, how it compares."""

    count: int
    right: Estimate
    speed_median: float | None
    speed_within: Estimate | None


class Summary(msgspec.Struct, frozen=True):
    """Clips: means by result, differences to ours, and how many clips are won at equal bytes."""

    means: dict[str, dict[str, Estimate]]
    over: dict[str, dict[str, Estimate]]
    won: Estimate
    above_rate: list[str]  # clips of more than 1 kbit/s: they count as lost
    floors: dict[str, int]  # clips for which a codec cannot go so low


class Measured(msgspec.Struct, frozen=True):
    """What one run measured; parts that were not run are None or empty."""

    clips: tuple[Outcome, ...] = ()
    clip_summary: Summary | None = None
    stills: tuple[StillSummary, ...] = ()
    commands: dict[str, Obedience] = {}
    verdicts: tuple[Verdict, ...] = ()
    said: tuple[Said, ...] = ()
    words: Words | None = None
    costs: Costs | None = None


def summarise(clips: Sequence[Outcome]) -> Summary | None:
    """Make means over clips; None without clips."""
    if not clips:
        return None
    names = list(clips[0].scores)
    means = {name: _means([clip.scores[name] for clip in clips], _METRICS) for name in names}
    over = {name: _differences(clips, name) for name in names if name != OURS}
    won = estimate([float(is_won(clip)) for clip in clips])
    assert won is not None  # noqa: S101 -- there are clips
    floors = {name: sum(not clip.scores[name].fits for clip in clips) for name in CODEC_NAMES}
    above = [clip.clip for clip in clips if clip.bits_per_s > MAX_BITS_PER_S]
    return Summary(means, over, won, above, floors)


def is_won(clip: Outcome) -> bool:
    """Tell whether ours beats every codec in spatial cosine and flow agreement, at no more than 1 kbit/s.

    Where the source hardly moves there is no flow to agree with, and the pictures alone decide.
    """
    ours = clip.scores[OURS]
    return clip.bits_per_s <= MAX_BITS_PER_S and all(
        ours.spatial > theirs.spatial
        and (
            ours.flow_agreement is None
            or theirs.flow_agreement is None
            or ours.flow_agreement > theirs.flow_agreement
        )
        for theirs in (clip.scores[name] for name in CODEC_NAMES)
    )


def summarise_stills(
    target_bytes: int, planes: int, stills: Sequence[dict[str, Still]], hits: Sequence[float]
) -> StillSummary:
    """Make means over keyframes, of which there must be some."""
    metrics = ("spatial", "pooled", "psnr_db", "payload_bytes")
    means = {name: _means([each[name] for each in stills], metrics) for name in (OURS, *CODEC_NAMES)}
    over = {
        name: {
            metric: _known(
                paired([getattr(s[OURS], metric) for s in stills], [getattr(s[name], metric) for s in stills])
            )
            for metric in metrics
        }
        for name in CODEC_NAMES
    }
    floors = {name: sum(not each[name].fits for each in stills) for name in CODEC_NAMES}
    return StillSummary(target_bytes, planes, len(stills), means, over, floors, _known(estimate(hits)))


def summarise_commands(verdicts: Sequence[Verdict], tolerance: float) -> dict[str, Obedience]:
    """Make shares by kind of command."""
    kinds = dict.fromkeys(verdict.kind for verdict in verdicts)
    return {kind: _obedience([v for v in verdicts if v.kind == kind], tolerance) for kind in kinds}


def _obedience(verdicts: Sequence[Verdict], tolerance: float) -> Obedience:
    speeds = [verdict.speed for verdict in verdicts if verdict.speed is not None]
    return Obedience(
        len(verdicts),
        _known(estimate([float(verdict.right) for verdict in verdicts])),
        sorted(speeds)[len(speeds) // 2] if speeds else None,
        estimate([float(abs(speed - 1) <= tolerance) for speed in speeds]),
    )


def _differences(clips: Sequence[Outcome], name: str) -> dict[str, Estimate]:
    found = {}
    for metric in _METRICS:
        pairs = [(getattr(c.scores[OURS], metric), getattr(c.scores[name], metric)) for c in clips]
        known = [(a, b) for a, b in pairs if a is not None and b is not None]
        if difference := paired([a for a, _ in known], [b for _, b in known]):
            found[metric] = difference
    return found


def _means(scores: "Sequence[Scores] | Sequence[Still]", metrics: Sequence[str]) -> dict[str, Estimate]:
    found = {}
    for metric in metrics:
        values = [getattr(each, metric) for each in scores]
        if mean := estimate([float(value) for value in values if value is not None]):
            found[metric] = mean
    return found


def _known(found: Estimate | None) -> Estimate:
    if found is None:
        raise ValueError("a mean of nothing")
    return found
