"""What a device says of itself once a minute, and at once where an alarm rises."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edge.allowance import Limits
from edge.sensors import Readings
from edge.spool import Spool
from edge.times import EncodeTimes
from wire.documents import Value
from wire.spent import Sample
from wire.telemetry import Alarm, Telemetry, policy_id

PERIOD_S = 60.0
LOOK_S = 1.0  # between two looks at the alarms
OVERLOADED_S = 300.0  # for so long after a segment found no room, the device counts as overloaded
REMARK_S = 3600.0  # between two remarks where nothing changes


@dataclass(frozen=True, slots=True)
class InForce:
    """What seldom changes: `policy` is what set-policy answers, `provider` one of wire.telemetry.Provider."""

    policy: Mapping[str, Value]
    limits: Limits
    month_bytes: int
    provider: int
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """Where a watch looks besides; None for what there is not. The boot began at `begun_s`."""

    begun_s: float | None = None
    times: EncodeTimes | None = None
    read: Callable[[], Readings] | None = None
    in_force: Callable[[], InForce] | None = None
    unredacted: Callable[[], bool] = lambda: False  # whether a camera is withheld for want of a redaction
    link: Callable[[], int | None] = lambda: None  # place in the birth of the one that is active


class Watch:
    """For one thread. Times are monotonic, in seconds; `dropped` counts segments that were not described."""

    def __init__(
        self,
        spool: Spool,
        dropped: Callable[[], int],
        stepped: Callable[[], bool],
        figures: Figures | None = None,
    ) -> None:
        self._spool = spool
        self._dropped = dropped
        self._stepped = stepped
        self._figures = figures or Figures()
        self._seen_dropped = 0
        self._dropped_s: float | None = None
        self._begun_s = self._figures.begun_s
        self._looked_s: float | None = None
        self._told_s: float | None = None
        self._told = frozenset[int]()
        self._remarked_s: float | None = None
        self._remarked: object = None

    def due(self, now_s: float) -> Telemetry | None:
        """Give the minute that is over now, without its bytes; None if there is none."""
        if self._looked_s is not None and now_s - self._looked_s < LOOK_S:
            return None
        self._looked_s = now_s
        self._begun_s = now_s if self._begun_s is None else self._begun_s
        alarms = self._alarms(now_s)
        over = (
            self._told_s is None or now_s - self._told_s >= PERIOD_S - LOOK_S / 2
        )  # nearer than the next look
        if not over and alarms <= self._told:
            return None
        return self._minute(now_s, alarms)

    def now(self, now_s: float) -> Telemetry:
        """Give the minute as far as it has gone."""
        self._begun_s = now_s if self._begun_s is None else self._begun_s
        return self._minute(now_s, self._alarms(now_s))

    def part(self, now_s: float) -> Telemetry | None:
        """Give the minute as far as it has gone, if that is a second: records are told apart by seconds."""
        if self._told_s is None or now_s - self._told_s < 1:
            return None
        return self.now(now_s)

    def remarks(self, now_s: float) -> list[Telemetry]:
        """Give what is in force, if it has changed or was not said for long; tell `remarked` once it is."""
        if self._figures.in_force is None:
            return []
        now = self._figures.in_force()
        late = self._remarked_s is None or now_s - self._remarked_s >= REMARK_S
        if not late and self._remarked == self._news(now):
            return []
        rate = now.limits.bytes_per_s
        policy = Telemetry(
            uptime_s=0, span_s=0, provider=now.provider, policy=policy_id(now.policy),
            bits_per_s=None if rate is None else round(rate * 8), bytes_per_month=now.limits.bytes_per_month,
            month_bytes=now.month_bytes, link=self._figures.link(),
        )  # fmt: skip
        return [policy, *(Telemetry(0, span_s=0, samples=(sample,)) for sample in now.samples)]

    def remarked(self, now_s: float) -> None:
        """Note that remarks were said."""
        if self._figures.in_force is not None:
            now = self._figures.in_force()
            self._remarked_s, self._remarked = now_s, self._news(now)

    def _minute(self, now_s: float, alarms: frozenset[int]) -> Telemetry:
        span_s = 1 if self._told_s is None else max(round(now_s - self._told_s), 1)
        uptime_s = 0 if self._begun_s is None else round(now_s - self._begun_s)
        self._told_s, self._told = now_s, alarms
        backlog = self._spool.backlog()
        mean_ms, most_ms = (0, 0) if self._figures.times is None else self._figures.times.take()
        seen = Readings(None, None) if self._figures.read is None else self._figures.read()
        return Telemetry(
            uptime_s=uptime_s,
            spool_packets=backlog.waiting,
            spool_bytes=backlog.body_bytes,
            spool_age_s=round(self._spool.oldest_s()),
            dropped=backlog.dropped + self._seen_dropped,
            shed_details=backlog.shed_details,
            alarms=alarms,
            span_s=span_s,
            encode_ms=mean_ms,
            encode_most_ms=most_ms,
            temperature_c=None if seen.temperature_c is None else round(seen.temperature_c),
            power_dw=None if seen.power_w is None else max(round(seen.power_w * 10), 0),
            link=self._figures.link(),
        )

    def _alarms(self, now_s: float) -> frozenset[int]:
        dropped = self._dropped()
        if dropped > self._seen_dropped:
            self._seen_dropped, self._dropped_s = dropped, now_s
        overloaded = self._dropped_s is not None and now_s - self._dropped_s < OVERLOADED_S
        backlog = self._spool.backlog()
        standing = {
            Alarm.DISK_FULL: backlog.disk_full,
            Alarm.SPOOL_DAMAGED: backlog.set_aside > 0,
            Alarm.CLOCK_STEPPED: self._stepped(),
            Alarm.OVERLOADED: overloaded,
            Alarm.REDACTION_FAILED: self._figures.unredacted(),
        }
        return frozenset(int(alarm) for alarm, stands in standing.items() if stands)

    def _news(self, now: InForce) -> object:
        """Give what is not to wait for the hour: of samples, the first, and each time they have doubled."""
        sampled = {(each.camera, each.codec): each.windows.bit_length() for each in now.samples}
        return now.policy, now.limits, now.provider, sampled, self._figures.link()
