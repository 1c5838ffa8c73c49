"""Whether a rendering is to be given up: asked at every step, looked up in the store twice a second."""

from collections.abc import Callable

import structlog

from cloud import leases
from cloud.clock import Clock
from cloud.leases import Lease
from cloud.store import Store, StoreError

LOOK_MS = 500

log = structlog.get_logger()


class Cancelled:
    """True once `stopped` says so, or once the job is no longer this worker's, or cancelled.

    A store that does not answer cancels nothing.
    """

    def __init__(self, store: Store, lease: Lease, clock: Clock, stopped: Callable[[], bool]) -> None:
        self._store = store
        self._lease = lease
        self._stopped = stopped
        self._clock = clock
        self._looked_ms: int | None = None

    def __call__(self) -> bool:
        if self._stopped():
            return True
        now_ms = self._clock()
        if self._looked_ms is not None and 0 <= now_ms - self._looked_ms < LOOK_MS:
            return False
        self._looked_ms = now_ms
        try:
            with self._store.read() as session:
                return not leases.is_kept(session, self._lease)
        except StoreError as error:
            log.warning(
                "cannot see whether a job was cancelled", packet=self._lease.packet_id, error=str(error)
            )
            return False
