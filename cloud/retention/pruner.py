"""Has what is over its limit go, beside all others: a little in one transaction, then a pause.

    walk --a few groups--> one transaction (`cloud.retention.removal`) --> objects --> pause, thrice as long

So whoever stores waits for a fraction of a second at most, and a backlog of years takes its time. A process
that dies leaves nothing behind that the next round does not find; objects that cannot be removed are tried
again once a day, where there are limits at all.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence

import structlog

from cloud.anchor_book import stay_in_step
from cloud.clock import Clock, steady_ms, wall_ms
from cloud.config import Retention
from cloud.objects import Objects, ObjectsError
from cloud.quarantine import beyond, dismiss
from cloud.retention.clocks import Watch
from cloud.retention.demanded import expired, remove_expired
from cloud.retention.groups import Group, Rule
from cloud.retention.orphans import PICTURES, orphans, used
from cloud.retention.removal import Removed, remove_clips, remove_groups
from cloud.retention.tally import Tallies
from cloud.retention.walk import DAY_MS, Progress, Walk
from cloud.store import Store, StoreError

ROUND_S = 60.0
LOOK_AGAIN_MS = 600_000  # how often what had to stay is looked at again, and clips are added up
SWEEP_MS = DAY_MS  # how often objects are compared with rows
_FIRST_SWEEP_MS = 3_600_000  # after the start
_RESTS = 3  # times as long as a transaction took

log = structlog.get_logger()

Notice = Callable[[Tallies], None]


class StoppedError(Exception):
    """The process is to end: what is left goes another time."""


class Pruner:
    """Removes what is over the limits, and what its sender wants gone. For one thread.

    `notice` is told of each transaction's part.
    """

    def __init__(
        self,
        store: Store,
        objects: Objects,
        limits: Retention,
        clock: Clock = wall_ms,
        notice: Notice = lambda _tallies: None,
    ) -> None:
        self._store = store
        self._objects = objects
        self._limits = limits
        self._removes = limits.removes
        self._clock = clock
        self._notice = notice
        self._stop = threading.Event()
        self._watch = Watch(clock(), steady_ms())
        self._sweep_ms = steady_ms() + _FIRST_SWEEP_MS
        self._again_ms = steady_ms()
        self._progress = Progress()

    def run(self, stop: threading.Event) -> None:
        """Do a round a minute until `stop`."""
        self._stop = stop
        while not stop.wait(ROUND_S):
            now_ms = self._clock()
            trusts = self._watch.trusts(now_ms, steady_ms())
            if not trusts:
                log.warning("the clock was set forth: nothing goes for its age until it is an hour old")
            sweeps = trusts and self._removes and steady_ms() >= self._sweep_ms
            again = steady_ms() >= self._again_ms
            if again:
                self._again_ms, self._progress = steady_ms() + LOOK_AGAIN_MS, Progress()
            try:
                gone = self.prune(now_ms, aged=trusts, sweeps=sweeps, clips=again, progress=self._progress)
            except StoppedError:
                return
            except (StoreError, ObjectsError) as error:
                log.warning("cannot remove what is over its limit, trying again", error=str(error))
                continue
            if sweeps:
                self._sweep_ms = steady_ms() + SWEEP_MS
            if gone.count():
                log.info("removed what was over its limit", **_told(gone))

    def prune(
        self,
        now_ms: int,
        *,
        aged: bool = True,
        sweeps: bool = True,
        clips: bool = True,
        progress: Progress | None = None,
    ) -> Tallies:
        """Remove what is over a limit, or a sender's, at `now_ms`.

        If it `sweeps`, also objects that no row names. Raises StoreError, and ObjectsError where these
        cannot be listed.
        """
        gone = Tallies()
        if aged:
            self._expired(gone, now_ms)
        walk = Walk(self._store, self._limits, now_ms, aged=aged, progress=progress or Progress())
        walk.packets(lambda groups, rule: self._packets(gone, groups, rule))
        if clips:
            walk.clips(lambda found: self._clips(gone, found, now_ms))
        self._quarantine(gone, now_ms, aged=aged)
        if sweeps:
            self._sweep(gone, now_ms)
        return gone

    def _expired(self, gone: Tallies, now_ms: int) -> None:
        """Remove what senders want gone; from then on there are objects that may have stayed."""
        while True:
            started_s = time.monotonic()
            with self._store.read() as session:
                if not expired(session, now_ms, 1):
                    return
            with self._store.write() as session:
                removed = remove_expired(session, now_ms)
            self._removes = True
            self._settle(gone, removed, started_s)

    def _packets(self, gone: Tallies, groups: Sequence[Group], rule: Rule) -> Tallies:
        together, left = Tallies(), groups
        while left:
            started_s = time.monotonic()
            with self._store.write() as session:
                removed = remove_groups(session, left, rule)
            left = left[removed.seen :]
            together.take(removed.tallies)
            self._settle(gone, removed, started_s)
        return together

    def _clips(self, gone: Tallies, clips: Mapping[int, int], now_ms: int) -> Tallies:
        started_s = time.monotonic()
        with self._store.write() as session:
            removed = remove_clips(session, clips, now_ms)
        self._settle(gone, removed, started_s)
        return removed.tallies

    def _quarantine(self, gone: Tallies, now_ms: int, *, aged: bool) -> None:
        days = self._limits.quarantine_days
        before_ms = now_ms - round(days * DAY_MS) if days is not None and aged else 0
        with self._store.read() as session:
            found = beyond(session, self._limits.quarantine_bytes, before_ms)
        if found:
            with self._store.write() as session:
                dismiss(session, found)
            tallies = Tallies(messages=len(found), message_bytes=sum(size for _, size in found))
            gone.take(tallies)
            self._notice(tallies)

    def _sweep(self, gone: Tallies, now_ms: int) -> None:
        for found in orphans(self._store, self._objects, now_ms):
            self._end_if_stopped()
            keys = [each.key for each in found]
            removed = self._remove_pictures(keys) if keys[0].startswith(PICTURES) else self._remove(keys)
            sizes = [each.size for each in found if each.key in removed]
            tallies = Tallies(orphans=len(sizes), orphan_bytes=sum(sizes))
            gone.take(tallies)
            self._notice(tallies)

    def _settle(self, gone: Tallies, removed: Removed, started_s: float) -> None:
        """Count what a transaction removed, remove its objects, and rest."""
        gone.take(removed.tallies)
        self._notice(removed.tallies)
        spent_s = time.monotonic() - started_s
        self._remove(removed.keys)
        self._stop.wait(spent_s * _RESTS)
        self._end_if_stopped()

    def _remove(self, keys: Collection[str]) -> set[str]:
        """Remove objects, and give those that are gone; the others are orphans then."""
        removed = set[str]()
        for key in keys:
            try:
                self._objects.remove([key])
            except ObjectsError as error:
                log.warning("objects stay that no row names", error=str(error), left=len(keys) - len(removed))
                break
            removed.add(key)
        return removed

    def _remove_pictures(self, keys: Collection[str]) -> set[str]:
        """Remove pictures of anchors, but for those that somebody has just added again."""
        removed = set[str]()
        for key in keys:
            with self._store.write() as session:
                stay_in_step(session)
                if used(session, [key]):
                    continue
                gone = self._remove([key])
            if not gone:
                break
            removed |= gone
        return removed

    def _end_if_stopped(self) -> None:
        if self._stop.is_set():
            raise StoppedError


def _told(gone: Tallies) -> dict[str, int]:
    cameras = gone.cameras.values()
    return {
        "packets": sum(each.packets for each in cameras),
        "clips": sum(each.clips for each in cameras),
        "messages": gone.messages,
        "orphans": gone.orphans,
    }
