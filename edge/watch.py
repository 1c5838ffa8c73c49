"""What a device says of itself once a minute, and at once where an alarm rises."""

from collections.abc import Callable

from edge.spool import Spool
from wire.telemetry import Alarm, Telemetry

PERIOD_S = 60.0
LOOK_S = 1.0  # between two looks at the alarms
OVERLOADED_S = 300.0  # for so long after a segment found no room, the device counts as overloaded


class Watch:
    """For one thread. Times are monotonic, in seconds; `dropped` counts segments that were not described."""

    def __init__(self, spool: Spool, dropped: Callable[[], int], stepped: Callable[[], bool]) -> None:
        self._spool = spool
        self._dropped = dropped
        self._stepped = stepped
        self._seen_dropped = 0
        self._dropped_s: float | None = None
        self._begun_s: float | None = None
        self._looked_s: float | None = None
        self._told_s: float | None = None
        self._told = frozenset[int]()

    def due(self, now_s: float) -> Telemetry | None:
        """Give the record that is to be sent now; None if there is none."""
        if self._looked_s is not None and now_s - self._looked_s < LOOK_S:
            return None
        self._looked_s = now_s
        self._begun_s = now_s if self._begun_s is None else self._begun_s
        alarms = self._alarms(now_s)
        if self._told_s is not None and now_s - self._told_s < PERIOD_S and alarms <= self._told:
            return None
        self._told_s, self._told = now_s, alarms
        backlog = self._spool.backlog()
        return Telemetry(
            uptime_s=round(now_s - self._begun_s),
            spool_packets=backlog.waiting,
            spool_bytes=backlog.body_bytes,
            spool_age_s=round(self._spool.oldest_s()),
            dropped=backlog.dropped + self._seen_dropped,
            shed_details=backlog.shed_details,
            alarms=alarms,
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
        }
        return frozenset(int(alarm) for alarm, stands in standing.items() if stands)
