"""What a device says it sent, against what is known: each byte is counted once. Pure.

    minute     it is counted
    statement  slot by slot, base + counted are held against the total
                 the slot is new       base = total - counted   what went out before is not ours
                 too little is known   the rest is counted now  minutes were lost, or the end of a boot
                 too much is known     base = total - counted   the device began a new ledger

Minutes of a boot come in the order of its uptime (wire/telemetry.py), so one that does not go on behind the
last is a lie or came twice. A slot that comes up once all have been stated began with nothing.

A device is believed as far as what the cloud received makes plausible: MARGIN, PER_BYTE for each byte of its
packets (framing, TCP/IP, TLS, repetition), and PER_SECOND since it is known. What is beyond waits until more
came. Time is covered once, also by a device that starts again and again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from cloud.usage.parts import Parts, add, total, unlinked

MARGIN = 2**20  # bytes; also what is underway while the broker holds packets back
PER_BYTE = 8  # a packet of 75 bytes costs some 300 on the line, and on a bad one goes out several times
PER_SECOND = 128  # telemetry, keep-alives, births and states of a device that sends no packets
STATED_MS = 2 * 3_600_000  # all slots are stated about once an hour
_ROUNDING_S = 1  # of uptimes

Base = dict[str, list[int | None]]  # None is a slot that was never stated


@dataclass(frozen=True, slots=True)
class Record:
    """A minute, or a statement, whose parts are totals. Times as in UsageRecordRow."""

    boot_id: int
    uptime_s: int
    statement: bool
    end_ms: int
    span_s: int
    parts: Parts


@dataclass(frozen=True, slots=True)
class Ledger:
    """What is known of a device; as in UsageLedgerRow."""

    counted: Parts
    base: Base
    stated_ms: int | None = None
    last_boot: int = -1
    last_s: int = -1
    last_ms: int = 0
    since_ms: int = 0


class Verdict(Enum):
    """What becomes of a record."""

    COUNTED = "counted"
    WAITS = "waits"  # it is beyond what is plausible by now
    STALE = "stale"  # it is behind what was counted already


@dataclass(frozen=True, slots=True)
class Reckoned:
    """The verdict, the ledger afterwards, and the bytes that are to be added to the sums.

    Of the record's span, `fresh_ms` were not covered before.
    """

    verdict: Verdict
    ledger: Ledger
    added: Parts
    fresh_ms: int = 0


def reckon(ledger: Ledger, record: Record, received: int, now_ms: int) -> Reckoned:
    """Count a record of a device of whose packets the cloud got so many bytes by now."""
    start_s = record.uptime_s - record.span_s
    if (record.boot_id, start_s) < (ledger.last_boot, ledger.last_s - _ROUNDING_S):
        return Reckoned(Verdict.STALE, ledger, {})
    most = believed(ledger, received, now_ms)
    return _statement(ledger, record, most) if record.statement else _minute(ledger, record, most)


def believed(ledger: Ledger, received: int, now_ms: int) -> int:
    """Give how many bytes a device may claim in all."""
    known_s = max(now_ms - ledger.since_ms, 0) // 1000
    return MARGIN + PER_BYTE * received + PER_SECOND * known_s


def _minute(ledger: Ledger, record: Record, most: int) -> Reckoned:
    if total(ledger.counted) + total(record.parts) > most:
        return Reckoned(Verdict.WAITS, ledger, {})
    after = replace(
        ledger,
        counted=_sum(ledger.counted, unlinked(record.parts)),
        last_boot=record.boot_id,
        last_s=record.uptime_s,
        last_ms=max(ledger.last_ms, record.end_ms),
    )
    start_ms = record.end_ms - record.span_s * 1000
    fresh_ms = max(record.end_ms - max(start_ms, ledger.last_ms), 0)
    return Reckoned(Verdict.COUNTED, after, record.parts, fresh_ms)


def _statement(ledger: Ledger, record: Record, most: int) -> Reckoned:
    begins = ledger.stated_ms is not None and record.end_ms - ledger.stated_ms >= STATED_MS
    base: Base = {name: list(sizes) for name, sizes in ledger.base.items()}
    missing: Parts = {}
    for name, totals in record.parts.items():
        counted = [*ledger.counted.get(name, ()), *[0] * len(totals)]
        bases = base[name] = base.get(name, [])
        bases += [None] * (len(totals) - len(bases))
        missing[name] = [0] * len(totals)
        for place, stated in enumerate(totals):
            if stated:
                bases[place], missing[name][place] = _slot(
                    stated, counted[place], 0 if begins and bases[place] is None else bases[place]
                )
    if total(ledger.counted) + total(missing) > most:
        return Reckoned(Verdict.WAITS, ledger, {})
    stated_ms = record.end_ms if ledger.stated_ms is None else ledger.stated_ms
    after = replace(ledger, counted=_sum(ledger.counted, missing), base=base, stated_ms=stated_ms)
    return Reckoned(Verdict.COUNTED, after, missing)


def _slot(stated: int, counted: int, base: int | None) -> tuple[int, int]:
    """Give the base of a slot, and how much is missing."""
    if base is None or stated < base + counted:
        return stated - counted, 0
    return base, stated - base - counted


def _sum(parts: Mapping[str, Sequence[int]], more: Parts) -> Parts:
    added: Parts = {name: list(sizes) for name, sizes in parts.items()}
    add(added, more)
    return added
