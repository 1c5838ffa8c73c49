"""The rim of `mirage bench fuzz`: options in, a report out."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from msgspec.structs import asdict

from mirage.bench.fuzz.campaign import Plan, in_scratch, run_parallel
from mirage.bench.fuzz.targets import Target, make_targets
from mirage.bench.fuzz.watch import Tally, replay
from mirage.bench.report import Gate, Report
from mirage.errors import InputError
from mirage.progress import amount_shown


@dataclass(frozen=True, slots=True)
class Request:
    """How many inputs of which targets (none named: all), in how many processes."""

    count: int
    seed: int
    targets: tuple[str, ...]
    jobs: int


def run(request: Request) -> Report:
    """Fuzz. Raises InputError for a target that does not exist."""
    real = clip_packets()
    make = partial(make_targets, real)
    with in_scratch(make) as targets:
        chosen = choose(targets, request.targets)
    plan = Plan.by_share(chosen, request.count, request.seed)
    began_s = perf_counter()
    with amount_shown("inputs", sum(plan.counts.values())) as done:
        tallies = run_parallel(plan, make, request.jobs, done)
    return report(request, tallies, len(real), perf_counter() - began_s)


def run_replay(names: Sequence[str], text: str) -> Report:
    """Try one input of one target, in hex; `-` reads it from stdin. Raises InputError."""
    if len(names) != 1:
        raise InputError("--replay: needs one --target, the one that the input is for")
    try:
        data = bytes.fromhex(sys.stdin.read() if text == "-" else text)
    except ValueError as error:
        raise InputError(f"--replay: no hex: {error}") from error
    with in_scratch(partial(make_targets, clip_packets())) as targets:
        target = choose(targets, names)[names[0]]
        tally, what = replay(target, data)
    outcome = "accepted" if tally.accepted else f"refused: {', '.join(tally.refused)}"
    figures = {
        "target": target.name,
        "input_bytes": len(data),
        "outcome": outcome if what is None else f"violation: {what}",
        "peak_bytes": tally.peak_bytes,
    }
    return Report("fuzz", (Gate.at_most("violations", tally.violations, "inputs", 0),), figures)


def report(request: Request, tallies: Mapping[str, Tally], real: int, spent_s: float) -> Report:
    """Sum up a run of `spent_s` seconds whose corpus had `real` packets of a clip."""
    inputs = sum(tally.inputs for tally in tallies.values())
    gates = (
        Gate.at_most("violations", sum(tally.violations for tally in tallies.values()), "inputs", 0),
        Gate.at_least("inputs", inputs, "inputs", request.count),
    )
    told = [each for tally in tallies.values() for each in tally.told]
    results = {
        "seed": request.seed,
        "jobs": request.jobs,
        "clip_packets": real,
        "accepted": sum(tally.accepted for tally in tallies.values()),
        "refused": sum(sum(tally.refused.values()) for tally in tallies.values()),
        "seconds": spent_s,
        "inputs_per_s": inputs / spent_s,
        "resident_peak_bytes": max(tally.resident_bytes for tally in tallies.values()),
        "targets": {name: _figures(tally) for name, tally in tallies.items()},
        "violations": {f"{each.target} {each.index}": asdict(each) for each in told},
    }
    return Report("fuzz", gates, results)


def choose(targets: Mapping[str, Target], names: Sequence[str]) -> dict[str, Target]:
    """Pick targets by name, all if none is named; raises InputError."""
    for name in names:
        if name not in targets:
            raise InputError(f"--target {name}: there is none of that name, but {', '.join(targets)}")
    return {name: targets[name] for name in names or targets}


def clip_packets() -> tuple[bytes, ...]:
    """Encode Big Buck Bunny with the shipped bundle; none where clip or encoder is not installed."""
    from mirage.demo.source import bunny

    try:
        from edge.pipeline import Settings
        from mirage.bundles import bundle_folder
        from mirage.encode import encode
        from wire import recording
        from wire.bundle import Bundle

        encoding = encode(str(bunny()), Bundle.load(bundle_folder(None)), Settings(threads=1))
    except (ImportError, InputError):
        return ()
    return tuple(map(bytes, recording.parse(encoding.data).packets))


def _figures(tally: Tally) -> dict[str, object]:
    return {
        "inputs": tally.inputs,
        "accepted": tally.accepted,
        "refused": dict(tally.refused),
        "violations": tally.violations,
        "slowest_ms": tally.slowest_s * 1000,
        "peak_bytes": tally.peak_bytes,
        "traced": tally.traced,
        "inputs_per_cpu_s": tally.inputs / tally.spent_s if tally.spent_s else 0.0,
    }
