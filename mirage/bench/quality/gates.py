"""The numbers that quality must reach. A gate whose part was not run, or has no data, is not there."""

from mirage.bench.quality.measured import CODEC_NAMES, Measured, StillSummary, Summary
from mirage.bench.quality.statistics import Estimate
from mirage.bench.quality.stills import OURS
from mirage.bench.quality.words import Similarity, Words
from mirage.bench.report import Gate

SMALL_BYTES, LARGE_BYTES = 100, 280  # of a still picture
_BASELINES = ("held", "cross-fade")
_COMMANDS = {"zoom": 0.9, "static": 1.0, "object": 0.7}
_BYTES = {"bigbuckbunny": 700, "bikes": 1300}
_UNSEEN = "share of unseen clips"


def gates(measured: Measured) -> tuple[Gate, ...]:
    """Judge every number that was measured."""
    found = command_gates(measured)
    if measured.clip_summary is not None:
        found += renderer_gates(measured.clip_summary) + system_gates(measured.clip_summary)
    for stills in measured.stills:
        found += still_gates(stills)
    if measured.words is not None:
        found += word_gates(measured.words)
    return (*found, *cost_gates(measured))


def command_gates(measured: Measured) -> list[Gate]:
    """Motion commanded by words alone."""
    found = []
    for kind, obedience in measured.commands.items():
        unit = f"share of {obedience.count} commands"
        if kind == "pan":
            found.append(Gate.at_least("command_pan_direction", obedience.right.mean, unit, 0.95))
            within = 0.0 if obedience.speed_within is None else obedience.speed_within.mean
            found.append(Gate.at_least("command_pan_speed", within, f"{unit}, within 30 %", 0.95))
        elif kind in _COMMANDS:
            found.append(Gate.at_least(f"command_{kind}", obedience.right.mean, unit, _COMMANDS[kind]))
    return found


def renderer_gates(summary: Summary) -> list[Gate]:
    """Ours against what anybody could do with the same keyframes."""
    found = []
    for metric in ("spatial", "flow_agreement"):
        over = {name: summary.over[name].get(metric) for name in _BASELINES}
        found += [
            excludes_zero(f"renderer_{metric}_over_{name}", each) for name, each in over.items() if each
        ]
        if difference := summary.over["warp"].get(metric):
            unit = "mean difference to the analytic warp"
            found.append(Gate.at_least(f"renderer_{metric}_over_warp", difference.mean, unit, 0))
    return found


def excludes_zero(name: str, difference: Estimate) -> Gate:
    """Demand that a difference is above zero with its whole interval; the value is its lower end."""
    return Gate(name, difference.low, "lower end of the difference's 95 % interval", 0, difference.low > 0)


def system_gates(summary: Summary) -> list[Gate]:
    """Ours against codecs at equal bytes."""
    return [Gate.at_least("system_beats_codecs", summary.won.mean, f"{_UNSEEN}, at most 1 kbit/s", 0.7)]


def still_gates(stills: StillSummary) -> list[Gate]:
    """Ours against the better codec of each metric, on means."""
    ours = stills.means[OURS]
    label = f"still_{stills.target_bytes}B"
    metrics = ("spatial", "pooled") if stills.target_bytes == SMALL_BYTES else ("spatial",)
    found = []
    for metric in metrics:
        best = max(stills.means[name][metric].mean for name in CODEC_NAMES)
        unit = f"cosine at {ours['payload_bytes'].mean:.0f} B, against the better codec's"
        found.append(Gate.at_least(f"{label}_{metric}", ours[metric].mean, unit, best))
    if stills.target_bytes == LARGE_BYTES:
        unit = f"share of {stills.keyframes} keyframes, found first"
        found.append(Gate.at_least("retrieval", stills.retrieval.mean, unit, 0.6))
    return found


def word_gates(words: Words) -> list[Gate]:
    """Ours against written captions, and against those of the reconstruction."""
    found = []
    if words.written is not None:
        found += _similarity_gates("caption", words.written, 0.55)
    if words.survives is not None:
        found += _similarity_gates("meaning", words.survives, 0.6)
    if words.camera is not None:
        found.append(Gate.at_least("camera_class", words.camera.mean, "share of written segments", 0.8))
    if words.moving is not None:
        found.append(Gate.at_least("static_or_moving", words.moving.mean, "share of written segments", 0.95))
    return found


def _similarity_gates(name: str, similarity: Similarity, target: float) -> list[Gate]:
    return [
        Gate.at_least(f"{name}_similarity", similarity.pairs.mean, "MiniLM cosine", target),
        Gate.at_least(f"{name}_above_shuffled", similarity.above_shuffled, "MiniLM cosine", 0.25),
    ]


def cost_gates(measured: Measured) -> list[Gate]:
    """Bytes and seconds."""
    costs = measured.costs
    if costs is None:
        return []
    found = [
        Gate.at_most(f"bytes_{cost.clip}", cost.unsealed_bytes, "B, unsealed, whole clip", _BYTES[cost.clip])
        for cost in costs.clips
        if cost.clip in _BYTES
    ]
    unit = "B, unsealed, a minute of a fixed camera"
    found.append(Gate.at_most("bytes_still_minute", costs.still_minute_bytes, unit, 120))
    found.append(Gate.at_most("bytes_1080p30", costs.hd.sealed_bytes_per_2_s, "B in 2 s, sealed", 373))
    for cost in costs.clips:
        if (cost.width, cost.height) == (1280, 720):
            speed = cost.encode_realtime_factor
            found.append(Gate.at_least("encode_speed", speed, "s of 720p video per s", 6))
    slowest = max(cost.render_s_per_2_s for cost in costs.clips)
    found.append(Gate.at_most("render_s_per_2_s", slowest, "s, slowest clip", 1.5))
    return found
