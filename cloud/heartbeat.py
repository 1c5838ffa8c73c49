"""Keeps a lease while its job is done: a thread that beats."""

import threading
from types import TracebackType

import structlog

from cloud import leases
from cloud.leases import BEAT_S, Lease, SessionClock
from cloud.store import Store, StoreError

log = structlog.get_logger()


class Heartbeat:
    """Beats from entry to exit, every `period_s`, or until the lease is lost.

    A store that does not answer loses nothing by itself: whether the lease is still this worker's shows when
    the job is closed, at the latest.
    """

    def __init__(self, store: Store, lease: Lease, clock: SessionClock, period_s: float = BEAT_S) -> None:
        self._store = store
        self._lease = lease
        self._clock = clock
        self._period_s = period_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heartbeat-{lease.packet_id}", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._period_s) and self._beat():
            pass

    def _beat(self) -> bool:
        try:
            with self._store.write() as session:
                return leases.beat(session, self._lease, self._clock(session))
        except StoreError as error:
            log.warning("no heartbeat reaches the store", packet=self._lease.packet_id, error=str(error))
            return True
