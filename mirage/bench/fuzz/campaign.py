"""Shares out inputs over targets and processes.

count --by share--> inputs of each target --parts of 500--> worker processes --> one tally a target
"""

import atexit
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from mirage.bench.fuzz.targets import Target
from mirage.bench.fuzz.watch import Tally, Violation, limit_memory, run_part

PART = 500  # inputs that a worker tries at once

Part = tuple[str, int, int]  # target, from, to
Make = Callable[[Path], Mapping[str, Target]]  # told a folder for scratch files; must go to other processes


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done: how many inputs of each target."""

    seed: int
    counts: Mapping[str, int]

    @classmethod
    def by_share(cls, targets: Mapping[str, Target], count: int, seed: int) -> "Plan":
        """Share `count` inputs out, at least so many altogether, and one for each target."""
        shares = sum(target.share for target in targets.values())
        counts = {name: -(-count * target.share // shares) for name, target in targets.items()}
        return cls(seed, {name: max(number, 1) for name, number in counts.items()})

    def parts(self) -> list[Part]:
        """Cut the inputs into parts."""
        return [
            (name, start, min(start + PART, count))
            for name, count in self.counts.items()
            for start in range(0, count, PART)
        ]


@contextmanager
def in_scratch(make: Make) -> Iterator[Mapping[str, Target]]:
    """Make targets, and a folder for their files while the body runs."""
    with tempfile.TemporaryDirectory(prefix="mirage-fuzz-") as folder:
        yield make(Path(folder))


def run_here(targets: Mapping[str, Target], plan: Plan, done: Callable[[int], None]) -> dict[str, Tally]:
    """Try everything in this process; `done` is told how many inputs were tried since the last time."""
    tallies = {name: Tally() for name in plan.counts}
    for name, start, stop in plan.parts():
        tallies[name].add(run_part(targets[name], plan.seed, start, stop))
        done(stop - start)
    return tallies


def run_parallel(plan: Plan, make: Make, jobs: int, done: Callable[[int], None]) -> dict[str, Tally]:
    """Try everything in `jobs` processes of their own, whose memory is limited.

    If one of them dies, what is left is tried in one process; the part that kills it is a violation.
    """
    tallies = {name: Tally() for name in plan.counts}
    left = dict.fromkeys(plan.parts())
    while left:
        with ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (make, plan.seed)) as pool:
            _gather({pool.submit(_work, part): part for part in left}, tallies, left, done)
        if left and jobs == 1:
            lost = next(iter(left))
            del left[lost]
            tallies[lost[0]].add(_died(plan.seed, lost))
        jobs = 1
    return tallies


def _gather(
    futures: Mapping["Future[Tally]", Part],
    tallies: Mapping[str, Tally],
    left: dict[Part, None],
    done: Callable[[int], None],
) -> None:
    """Add up results and strike their parts off; after a death, parts are left."""
    for future in as_completed(futures):
        part = name, start, stop = futures[future]
        try:
            tallies[name].add(future.result())
        except BrokenProcessPool:
            continue
        del left[part]
        done(stop - start)


def _died(seed: int, part: Part) -> Tally:
    name, start, stop = part
    what = f"a process died somewhere from here to input {stop - 1}"
    return Tally(inputs=stop - start, violations=1, told=[Violation(name, seed, start, what, "")])


class _Worker:
    """What a worker process keeps from part to part."""

    targets: Mapping[str, Target]
    seed: int


def _begin(make: Make, seed: int) -> None:
    opened = in_scratch(make)
    _Worker.targets, _Worker.seed = opened.__enter__(), seed
    atexit.register(opened.__exit__, None, None, None)
    limit_memory()


def _work(part: Part) -> Tally:
    name, start, stop = part
    return run_part(_Worker.targets[name], _Worker.seed, start, stop)
