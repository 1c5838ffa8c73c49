"""The rim of `mirage bench chaos`: options in, a report out."""

import shutil
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import msgspec

from mirage.bench.chaos.checker import Verdict, check
from mirage.bench.chaos.run import Outcome, Request, run
from mirage.bench.report import Gate, Report
from mirage.errors import InputError
from mirage.progress import amount_shown

_WITH_AGENT = 4  # of so many seeds, one run has the whole agent in it
_TOLD = 50  # violations that a report spells out


def main(request: Request) -> Report:
    """Run once and judge. Raises InputError, OSError.

    Where a rule is broken, the folder with all logs, stores and histories is kept, and the report names it.
    """
    if request.clip is None and request.seed % _WITH_AGENT == 0:
        request = replace(request, clip=_clip())
    folder = Path(tempfile.mkdtemp(prefix="mirage-chaos-"))
    kept = True
    try:
        with amount_shown("seconds", round(request.seconds)) as tick:
            outcome = run(request, folder, tick)
        verdict = check(outcome.history)
        if outcome.agent is not None:
            verdict = replace(verdict, violations=verdict.violations + outcome.agent.violations())
        (folder / "verdict.json").write_bytes(msgspec.json.encode(verdict))
        kept = bool(verdict.violations)
    except (KeyboardInterrupt, SystemExit):
        kept = False
        raise
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)
    return report(request, outcome, verdict, folder if kept else None)


def report(request: Request, outcome: Outcome, verdict: Verdict, kept: Path | None) -> Report:
    """Sum up a run."""
    history = outcome.history
    gates = (
        Gate.at_most("violations", len(verdict.violations), "violations", 0),
        Gate.at_least("faults", sum(outcome.faults.values()), "faults", 1),
    )
    results = {
        "seconds": request.seconds,
        "seed": request.seed,
        "broker": request.broker,
        "envelope": request.envelope,
        "segments_per_s": request.segments_per_s,
        "faults": dict(sorted(outcome.faults.items())),
        "links": outcome.links,
        "starts": outcome.starts,
        "broker_crashes": outcome.broker_crashes,
        "boots": len(history.boots),
        "agent_segments": None if outcome.agent is None else outcome.agent.logged,
        "captured": verdict.captured,
        "stored": verdict.stored,
        "stored_without_detail": verdict.stored_without_detail,
        "given_up": dict(verdict.given_up),
        "cut_off": dict(verdict.cut_off),
        "offered_again": verdict.offered_again,
        "messages": dict(outcome.messages),
        "quarantined": outcome.quarantined,
        "pending": outcome.pending,
        "violations": [asdict(each) for each in verdict.violations[:_TOLD]],
        "kept": None if kept is None else str(kept),
        "again": f"mirage bench chaos --minutes {request.seconds / 60:g} --seed {request.seed}"
        f" --broker {request.broker} --envelope {request.envelope}",
    }
    return Report("chaos", gates, results)


def _clip() -> Path | None:
    """Give the clip of the demo, where it is installed."""
    from mirage.demo.source import bunny

    try:
        return Path(bunny())
    except (ImportError, InputError):
        return None
