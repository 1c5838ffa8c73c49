"""Minutes that were not told yet: those of an outage wait here, and go up in order once there is a way.

    add --> waiting, at most KEPT --next--> told --confirmed--> gone
                             ^                '-- connect: what may be lost is told again

A minute at QoS 0 has reached the broker when something at QoS 1 that was published after it is acknowledged.
Where more than KEPT wait, neighbours are joined, so that a long outage is told in longer spans. Nothing of it
survives the process; the ledger's totals do.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

from wire.spent import Spent
from wire.telemetry import Telemetry

KEPT = 128
MESSAGE_BYTES = 1024  # of what goes up at once


class Journal:
    """For one thread. What was told once is never joined to another: the cloud may have it."""

    def __init__(self) -> None:
        self._again: deque[Telemetry] = deque(maxlen=KEPT)  # told once
        self._waiting: deque[Telemetry] = deque()
        self._told: deque[tuple[int, Telemetry]] = deque(maxlen=KEPT)  # with how much was published before

    def __len__(self) -> int:
        return len(self._again) + len(self._waiting)

    def add(self, minute: Telemetry) -> None:
        """Put a minute behind all others."""
        self._waiting.append(minute)
        if len(self._waiting) > KEPT:
            self._waiting = deque(_in_pairs(self._waiting))

    def next(self) -> list[Telemetry]:
        """Give the oldest, as many as go into a message: one at least, where there are any."""
        found, size = list[Telemetry](), 0
        for minute in chain(self._again, self._waiting):
            size += len(bytes(minute))
            if found and size > MESSAGE_BYTES:
                break
            found.append(minute)
        return found

    def told(self, count: int, published: int) -> None:
        """Note that the first `count` went out, after so many publications at QoS 1."""
        for _ in range(count):
            self._told.append((published, (self._again or self._waiting).popleft()))

    def confirmed(self, count: int) -> None:
        """Let go of what went before the last of so many acknowledged publications."""
        while self._told and self._told[0][0] < count:
            self._told.popleft()

    def connect(self) -> None:
        """Begin a connection: the last one may have lost what was not confirmed."""
        self._again.extendleft(minute for _, minute in reversed(self._told))
        self._told.clear()


def joined(first: Telemetry, second: Telemetry) -> Telemetry:
    """Tell two minutes that follow each other as one."""
    described = [each for each in (first, second) if each.encode_ms]
    weight = sum(each.encode_ms * each.span_s for each in described)
    return replace(
        second,
        span_s=first.span_s + second.span_s,
        alarms=first.alarms | second.alarms,
        spent=_added(first.spent, second.spent),
        encode_ms=round(weight / sum(each.span_s for each in described)) if described else 0,
        encode_most_ms=max(first.encode_most_ms, second.encode_most_ms),
        link=first.link if first.link == second.link else None,
    )


def _in_pairs(minutes: Iterable[Telemetry]) -> list[Telemetry]:
    found, single = list[Telemetry](), False
    for minute in minutes:
        if single:
            found[-1] = joined(found[-1], minute)
        else:
            found.append(minute)
        single = not single
    return found


def _added(first: Sequence[Spent], second: Sequence[Spent]) -> tuple[Spent, ...]:
    rows = {each.camera: each for each in first}
    for each in second:
        before = rows.get(each.camera)
        sizes = each.bytes if before is None else tuple(map(sum, zip(before.bytes, each.bytes, strict=True)))
        rows[each.camera] = Spent(each.camera, sizes)
    return tuple(rows[camera] for camera in sorted(rows, key=lambda camera: -1 if camera is None else camera))
