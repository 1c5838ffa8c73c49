"""Whether a rendering is to be given up: asked at every step, looked up in the store twice a second."""

from collections.abc import Callable

import structlog

from cloud import jobs
from cloud.clock import Clock
from cloud.store import Store, StoreError

LOOK_MS = 500

log = structlog.get_logger()


class Cancelled:
    """True once `stopped` says so, or once the job of `packet_id` is no longer one that runs.

    A store that does not answer cancels nothing.
    """

    def __init__(self, store: Store, packet_id: int, clock: Clock, stopped: Callable[[], bool]) -> None:
        self._store = store
        self._packet_id = packet_id
        self._clock = clock
        self._stopped = stopped
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
                return not jobs.is_running(session, self._packet_id)
        except StoreError as error:
            log.warning("cannot see whether a job was cancelled", packet=self._packet_id, error=str(error))
            return False
