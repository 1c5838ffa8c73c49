"""Calls a parser with one input and judges what came of it.

returned            accepted
raised its own      refused
anything else       a violation: another exception, too much processor time, too much memory
"""

import resource
import signal
import sys
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from time import thread_time

import msgspec

from mirage.bench.fuzz.mutate import mutate
from mirage.bench.fuzz.targets import Target

TRACED_EVERY = 64  # inputs; of these every allocation is counted, which takes several times as long
HEADROOM_BYTES = 2 << 30  # of address space, beyond what the process has when it begins
KEPT = 5  # violations of a target that are told in full
HANG_S = 20.0  # of processor time, after which a call is broken off
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class Violation(msgspec.Struct, frozen=True):
    """An input that a parser did not stand; `input_hex` replays it."""

    target: str
    seed: int
    index: int
    what: str
    input_hex: str


class Tally(msgspec.Struct):
    """What became of a target's inputs. `slowest_s` is processor time, `peak_bytes` of the traced calls."""

    inputs: int = 0
    accepted: int = 0
    refused: Counter[str] = msgspec.field(default_factory=Counter)
    violations: int = 0
    told: list[Violation] = []
    traced: int = 0
    slowest_s: float = 0.0
    peak_bytes: int = 0
    spent_s: float = 0.0
    resident_bytes: int = 0

    def add(self, other: "Tally") -> None:
        """Add what another part of the same target's inputs gave."""
        self.inputs += other.inputs
        self.accepted += other.accepted
        self.refused += other.refused
        self.violations += other.violations
        self.told = sorted(self.told + other.told, key=lambda each: each.index)[:KEPT]
        self.traced += other.traced
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.peak_bytes = max(self.peak_bytes, other.peak_bytes)
        self.spent_s += other.spent_s
        self.resident_bytes = max(self.resident_bytes, other.resident_bytes)


class _OvertimeError(BaseException):
    """A call was broken off; no parser can take this for one of its own."""


def make_input(target: Target, seed: int, index: int) -> bytes:
    """Draw the input of this number: it depends on nothing else."""
    return mutate(Random(f"{seed}:{target.name}:{index}"), target.valid, target.kind)  # noqa: S311 -- no secret


def run_part(target: Target, seed: int, start: int, stop: int) -> Tally:
    """Try the inputs `start` to `stop` of a target."""
    tally, began = Tally(), thread_time()
    with _broken_off():
        for index in range(start, stop):
            data = make_input(target, seed, index)
            what = _judge(target, data, tally, traced=index % TRACED_EVERY == 0)
            if what is not None:
                tally.violations += 1
                if len(tally.told) < KEPT:
                    tally.told.append(Violation(target.name, seed, index, what, data.hex()))
    tally.spent_s, tally.resident_bytes = thread_time() - began, _resident_bytes()
    return tally


def replay(target: Target, data: bytes) -> tuple[Tally, str | None]:
    """Try one input, traced; give the violation if it is one."""
    tally = Tally()
    with _broken_off():
        what = _judge(target, data, tally, traced=True)
    tally.violations, tally.resident_bytes = int(what is not None), _resident_bytes()
    return tally, what


def limit_memory() -> None:
    """Let this process have little more memory than it has: a greedy parser gets a MemoryError."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 -- no path of a user's
        pages = int(file.read().split()[0])
    most = pages * resource.getpagesize() + HEADROOM_BYTES
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most if hard < 0 else min(most, hard), hard))


def _judge(target: Target, data: bytes, tally: Tally, *, traced: bool) -> str | None:
    """Call the parser and count the outcome; say what is wrong, if anything is."""
    resident = _resident_bytes()
    if traced:
        tracemalloc.start()
    began = thread_time()
    what = _outcome(target, data, tally)
    spent_s = thread_time() - began
    tally.inputs += 1
    if traced:
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        tally.traced += 1
        tally.peak_bytes = max(tally.peak_bytes, peak_bytes)
        if what is None and peak_bytes > target.limit_bytes:
            what = f"took {peak_bytes} bytes of memory, limit is {target.limit_bytes}"
    else:
        tally.slowest_s = max(tally.slowest_s, spent_s)
        if what is None and spent_s > target.limit_s:
            what = f"took {spent_s:.2f} s of processor time, limit is {target.limit_s}"
    grown = _resident_bytes() - resident
    if what is None and not traced and grown > target.limit_bytes:
        what = f"made the process {grown} bytes larger, limit is {target.limit_bytes}"
    return what


def _outcome(target: Target, data: bytes, tally: Tally) -> str | None:
    signal.setitimer(signal.ITIMER_VIRTUAL, HANG_S)
    try:
        target.parse(data)
    except target.errors as error:
        tally.refused[type(error).__name__] += 1
        return None
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 -- what escapes is what is looked for, panics of Rust too
        return f"{type(error).__name__}: {error}"[:300]
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    tally.accepted += 1
    return None


@contextmanager
def _broken_off() -> Iterator[None]:
    """Let calls be broken off that would not end."""

    def ring(*_: object) -> None:
        raise _OvertimeError(f"did not end within {HANG_S:g} s of processor time")

    before = signal.signal(signal.SIGVTALRM, ring)
    try:
        yield
    finally:
        signal.signal(signal.SIGVTALRM, before)


def _resident_bytes() -> int:
    """Tell the most that this process ever had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT
