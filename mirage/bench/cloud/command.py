"""`mirage bench cloud`: its parts, each measured by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mirage.bench.cloud import engines, queue, search
from mirage.bench.report import Gate, Report
from mirage.errors import InputError
from mirage.progress import steps_shown

PARTS = ("queue", "engines", "search")


@dataclass(frozen=True, slots=True)
class Request:
    """What is measured: `only` these parts, all if there are none."""

    only: Sequence[str]
    jobs: int
    captions: int
    copies: int
    bundle: Path | None


def run(request: Request) -> Report:
    """Measure. Raises InputError for a part that is not there, DemoError where one does not work."""
    unknown = set(request.only) - set(PARTS)
    if unknown:
        raise InputError(f"--only {', '.join(sorted(unknown))}: is none of {', '.join(PARTS)}")
    wanted = request.only or PARTS
    results, gates = dict[str, object](), list[Gate]()
    if "queue" in wanted:
        with steps_shown("queue", 2 * len(queue.WORKERS)) as done:
            results["queue"] = queue.measure(request.jobs, done)
    if "engines" in wanted:
        with steps_shown("engines", 4) as done:
            results["engines"] = engines.measure(request.bundle, request.copies, done)
    if "search" in wanted:
        with steps_shown("search", 2) as done:
            results["search"], gate = search.measure(request.captions, done)
        gates.append(gate)
    return Report("cloud", tuple(gates), results)
