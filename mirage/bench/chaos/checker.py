"""Was anything lost, made up, altered, or freed too early? Pure: a history in, a verdict out.

Every captured sequence is stored once, or is in one stored gap record with a reason. Three kinds may be
absent, and are counted: at the end of a boot what was between capture and spool when the process was killed
(one at most) and what a full disk had made the spool give up in memory by then; and what was in a spool's
file when that was damaged.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from edge.shedding import ranges_of
from mirage.bench.chaos.history import Boot, Captured, Claim, History, Stored, StoredGap
from wire.gap import GapReason

_REASONS = frozenset(map(int, GapReason))


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that does not hold, and where."""

    rule: str
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Violations, and what was counted on the way."""

    violations: tuple[Violation, ...]
    captured: int
    stored: int
    stored_without_detail: int
    given_up: Mapping[str, int]  # in gap records, by reason
    cut_off: Mapping[str, int]  # absent from the end of a boot, by cause
    offered_again: int


def check(history: History) -> Verdict:
    """Judge a run."""
    captured = {(boot.boot, each.sequence): each for boot in history.boots for each in boot.captured}
    covering = _covering(history)
    cut_off = Counter[str]()
    violations = [
        *_missing(history, covering, cut_off),
        *_twice(covering),
        *_made_up(covering, captured),
        *_altered(history.packets, captured),
        *_unordered(history.packets),
        *_nameless(history.gaps),
        *_birthless(history),
        *_freed_early(history.boots),
        *_claimed_wrongly(history.claims, covering),
        *_offered_unseen(history.boots),
        *(Violation("death", each) for each in history.deaths),
    ]
    if history.undelivered:
        violations.append(Violation("undelivered", f"{history.undelivered} still wait in the spool"))
    return Verdict(
        tuple(violations),
        captured=len(captured),
        stored=len(history.packets),
        stored_without_detail=sum(_lacks_detail(each, captured) for each in history.packets),
        given_up=_given_up(history.gaps),
        cut_off=cut_off,
        offered_again=sum(times - 1 for boot in history.boots for times in boot.offered.values()),
    )


def ranges_text(sequences: Iterable[int]) -> str:
    """Write sequences briefly.

    >>> ranges_text([1, 2, 3, 7])
    '1-3, 7'
    """
    return ", ".join(
        str(low) if low == high else f"{low}-{high}" for low, high in ranges_of(sorted(sequences))
    )


def _covering(history: History) -> Counter[tuple[str, int]]:
    """Count by how many rows of the store each sequence of each boot is covered."""
    covering = Counter((each.boot, each.sequence) for each in history.packets)
    for gap in history.gaps:
        covering.update((gap.boot, sequence) for sequence in range(gap.first, gap.last + 1))
    return covering


def _missing(
    history: History, covering: Counter[tuple[str, int]], cut_off: Counter[str]
) -> Iterator[Violation]:
    for boot in history.boots:
        last = max((sequence for at, sequence in covering if at == boot.boot), default=-1)
        lost = list[int]()
        for each in boot.captured:
            if (boot.boot, each.sequence) in covering:
                continue
            cause = _excuse(boot, each.sequence, last)
            if cause is None:
                lost.append(each.sequence)
            else:
                cut_off[cause] += 1
        if lost:
            yield Violation("lost", f"boot {boot.boot}: {ranges_text(lost)} were captured, and are nowhere")
        in_flight = {each.sequence for each in boot.captured} - boot.written - boot.given_up
        if len(in_flight) > 1:
            yield Violation("lost", f"boot {boot.boot}: {ranges_text(in_flight)} never reached the spool")


def _excuse(boot: Boot, sequence: int, last: int) -> str | None:
    """Say why a sequence may be absent; `last` is the last of its boot of which the store knows."""
    if sequence in boot.in_damaged_file:
        return "file destroyed"
    if sequence < last or not boot.killed or sequence in boot.written:
        return None
    return "disk full at a kill" if sequence in boot.given_up else "in flight at a kill"


def _twice(covering: Counter[tuple[str, int]]) -> Iterator[Violation]:
    for (boot, sequence), times in covering.items():
        if times > 1:
            yield Violation("twice", f"boot {boot}: {sequence} is stored or given up {times} times")


def _made_up(
    covering: Counter[tuple[str, int]], captured: Mapping[tuple[str, int], Captured]
) -> Iterator[Violation]:
    for boot, sequences in _by_boot(covering.keys() - captured.keys()).items():
        yield Violation("phantom", f"boot {boot}: {ranges_text(sequences)} in the store, and never captured")


def _altered(packets: Iterable[Stored], captured: Mapping[tuple[str, int], Captured]) -> Iterator[Violation]:
    content, place = dict[str, list[int]](), dict[str, list[int]]()
    for each in packets:
        seen = captured.get((each.boot, each.sequence))
        if seen is None:
            continue
        if each.digest not in (seen.whole, seen.coarse):
            content.setdefault(each.boot, []).append(each.sequence)
        if (each.camera, each.captured_ms) != (seen.camera, seen.captured_ms):
            place.setdefault(each.boot, []).append(each.sequence)
    for what, found in (("another content", content), ("another camera or time", place)):
        for boot, sequences in found.items():
            yield Violation("altered", f"boot {boot}: {ranges_text(sequences)} with {what}")


def _unordered(packets: Iterable[Stored]) -> Iterator[Violation]:
    """In each camera and boot, times ascend as sequences do."""
    streams = dict[tuple[str, str], list[Stored]]()
    for each in packets:
        streams.setdefault((each.boot, each.camera), []).append(each)
    for (boot, camera), stream in streams.items():
        behind = [
            after.sequence
            for before, after in pairwise(sorted(stream, key=lambda each: each.sequence))
            if after.captured_ms <= before.captured_ms or _is_dated_back(before, after)
        ]
        if behind:
            what = f"boot {boot}, {camera}: {ranges_text(behind)} not later than what they follow"
            yield Violation("order", what)


def _is_dated_back(before: Stored, after: Stored) -> bool:
    return before.start_ms is not None and after.start_ms is not None and after.start_ms <= before.start_ms


def _nameless(gaps: Iterable[StoredGap]) -> Iterator[Violation]:
    for gap in gaps:
        if gap.reason not in _REASONS:
            what = f"boot {gap.boot}: {gap.first}-{gap.last} is given up for reason {gap.reason}"
            yield Violation("nameless", what)


def _birthless(history: History) -> Iterator[Violation]:
    """Without a birth, packets have no wall time and no bundle; damage may have taken that, too."""
    damaged = {boot.boot for boot in history.boots if boot.in_damaged_file}
    packets = Counter(each.boot for each in history.packets)
    for boot in history.birthless:
        if packets[boot] and boot not in damaged:
            yield Violation("birthless", f"boot {boot}: {packets[boot]} packets, and no birth")


def _freed_early(boots: Iterable[Boot]) -> Iterator[Violation]:
    for boot in boots:
        for first, last in boot.early:
            what = f"boot {boot.boot}: {first}-{last} was acknowledged, and was not in the store"
            yield Violation("early", what)


def _claimed_wrongly(claims: Iterable[Claim], covering: Counter[tuple[str, int]]) -> Iterator[Violation]:
    claimed = set[tuple[str, int]]()
    for claim in claims:
        absent = {sequence for first, last in claim.holes for sequence in range(first, last + 1)}
        claimed |= {(claim.boot, each) for each in range(claim.highest + 1) if each not in absent}
    for boot, sequences in _by_boot(claimed - covering.keys()).items():
        yield Violation("watermark", f"boot {boot}: {ranges_text(sequences)} claimed, and not in the store")
    for boot, sequences in _by_boot(covering.keys() - claimed).items():
        yield Violation("watermark", f"boot {boot}: {ranges_text(sequences)} in the store, and not claimed")


def _offered_unseen(boots: Iterable[Boot]) -> Iterator[Violation]:
    for boot in boots:
        unseen = set(boot.offered) - {each.sequence for each in boot.captured}
        if unseen:
            yield Violation(
                "phantom", f"boot {boot.boot}: {ranges_text(unseen)} was sent, and never captured"
            )


def _by_boot(sequences: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    found = dict[str, list[int]]()
    for boot, sequence in sorted(sequences):
        found.setdefault(boot, []).append(sequence)
    return found


def _lacks_detail(each: Stored, captured: Mapping[tuple[str, int], Captured]) -> bool:
    seen = captured.get((each.boot, each.sequence))
    return seen is not None and each.digest == seen.coarse != seen.whole


def _given_up(gaps: Iterable[StoredGap]) -> Counter[str]:
    by_reason = Counter[str]()
    for gap in gaps:
        known = gap.reason in _REASONS
        label = GapReason(gap.reason).name.lower().replace("_", "-") if known else f"reason-{gap.reason}"
        by_reason[label] += gap.last - gap.first + 1
    return by_reason
