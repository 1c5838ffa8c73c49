"""What is to be done with usage, over and over, by one process for all: added up, looked after, pruned.

every 10 s    Rollup      records become sums
every minute  Warden      budgets and odd hours; Caller, the webhook
every hour    prune       what is over its time
"""

import os
import socket
import threading

import structlog

from cloud import duties
from cloud.clock import Clock, wall_ms
from cloud.config_usage import UsageSettings
from cloud.signatures import UNSIGNED, Signers
from cloud.store import Store, StoreError
from cloud.usage.periods import HOUR_MS, MINUTE_MS
from cloud.usage.pruning import prune
from cloud.usage.rollup import Rollup
from cloud.usage.telling import Caller, Telling
from cloud.usage.warden import Warden

DUTY = "usage"
LEASE_MS = 60_000
ROLLUP_S = 10.0

log = structlog.get_logger()


class UsageDuty:
    """Does all of it for as long as this process has the duty. Runs on one thread."""

    def __init__(
        self,
        store: Store,
        settings: UsageSettings,
        *,
        events: bool = False,
        clock: Clock = wall_ms,
        signers: Signers = UNSIGNED,
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._holder = f"{socket.gethostname()[:80]}-{os.getpid()}-{id(self)}"
        self._rollup = Rollup(store, clock, settings.currency)
        self._warden = Warden(store, settings, Telling(settings, events=events))
        self._caller = Caller(store, settings, signers)
        self._watched_ms = self._pruned_ms = 0

    def run(self, stop: threading.Event) -> None:
        """Work until `stop`; a store that does not answer is tried again."""
        while not stop.wait(ROLLUP_S):
            self._try()

    def _try(self) -> None:
        try:
            self.work()
        except StoreError as error:
            log.warning("cannot add up usage, trying again", error=str(error))

    def work(self) -> None:
        """Do what is due, if this process has the duty. Raises StoreError."""
        now_ms = self._clock()
        with self._store.write() as session:
            if not duties.hold(session, DUTY, self._holder, now_ms, LEASE_MS):
                return
        self._rollup.work()
        if not 0 <= now_ms - self._watched_ms < MINUTE_MS:
            self._watched_ms = now_ms
            self._warden.work(now_ms)
            self._caller.work(now_ms)
        if not 0 <= now_ms - self._pruned_ms < HOUR_MS:
            self._pruned_ms = now_ms
            prune(self._store, self._settings, now_ms)
