"""Does what the queue asks for: one job after the other, on one thread.

    take a lease -> heartbeat + maker (`cloud.making`) -> the clip becomes visible and the job done, at once
                                   '-- or the job is given back, tried again after a pause, or dead

As many workers as you like share one store, in threads, processes and machines; each needs a renderer of its
own. One that is told to stop gives up the rendering at its next step, and the job waits for another worker;
one whose job is cancelled or taken away gives up too, and goes on with the next. Whatever goes wrong with a
job, it is that job which fails.
"""

import os
import socket
import threading
import time
from collections.abc import Callable

import structlog
from sqlalchemy.orm import Session

from cloud import leases
from cloud.bundles import Bundles
from cloud.cancelling import Cancelled
from cloud.candidates import Wish
from cloud.clock import Clock, wall_ms
from cloud.confidence.assessor import Assessor
from cloud.crew import attempt
from cloud.heartbeat import Heartbeat
from cloud.lanes import is_fair
from cloud.leases import Lease, LeaseLostError, SessionClock, database_ms
from cloud.making import NOT_YET_MS, Maker, NotYetError
from cloud.metrics.meters import Ending, Meters
from cloud.objects import Objects, ObjectsError
from cloud.provenance.notary import UNSIGNED, Notary
from cloud.render.anchors import AnchorError
from cloud.render.mp4 import OutputError
from cloud.render.renderer import LostRendererError, RenderCancelledError, RenderError, never
from cloud.shelf import Announce, Shelf, unannounced
from cloud.store import Store, StoreError
from cloud.terms import Conditions
from wire.bundle import BundleError
from wire.documents import DocumentError
from wire.packet import PacketError
from wire.policy import PolicyError

POLL_S = 0.25  # how soon a new job is noticed; asking costs one indexed query

# What may be otherwise the next time: a place that is full, a machine that is gone.
_PASSING = (OutputError, ObjectsError, LostRendererError)
_LASTING = (AnchorError, RenderError, PacketError, DocumentError, BundleError, PolicyError)
_NO_FAULT = (RenderCancelledError, NotYetError, LeaseLostError, StoreError)

log = structlog.get_logger()


class Worker:
    """Renders what the queue asks for; `name` is for people to read. A `clock` is that of leases too.

    `terms` are what is asked for where senders allow that. `announce` is told of each clip (`cloud.shelf`),
    `notary` signs what is stated of it, `assessor` tells how sure it is.
    """

    def __init__(
        self,
        store: Store,
        objects: Objects,
        bundles: Bundles,
        terms: Conditions,
        clock: Clock | None = None,
        name: str = "worker",
        meters: Meters | None = None,
        announce: Announce = unannounced,
        notary: Notary = UNSIGNED,
        assessor: Assessor | None = None,
    ) -> None:
        self._store = store
        self._clock = wall_ms if clock is None else clock
        self._lease_ms: SessionClock = database_ms if clock is None else lambda _session: self._clock()
        shelf = Shelf(store, objects, announce, terms.known)
        self._maker = Maker(store, objects, shelf, bundles, terms, self._clock, notary, assessor)
        self._bundles = bundles
        self._name = name
        self._meters = meters or Meters()
        self._taken = 0
        self._camera_id: int | None = None

    def run(self, stop: threading.Event) -> None:
        """Work until `stop`."""
        while not stop.is_set():
            if not self.work(stop.is_set):
                stop.wait(POLL_S)

    def work(self, stopped: Callable[[], bool] = never) -> bool:
        """Do the next job; False if there was none. A job that fails is marked so, with the reason.

        Once `stopped`, or once the job is cancelled, a rendering is given up before its next step; in the
        first case its job is queued again. Raises StoreError.
        """
        lease = self._take()
        if lease is None:
            return False
        started_s, ending = time.perf_counter(), Ending.GIVEN_UP
        try:
            with Heartbeat(self._store, lease, self._lease_ms):
                ending = self._do(lease, Cancelled(self._store, lease, self._clock, stopped))
        except LeaseLostError as error:
            log.warning("came too late to publish", packet=lease.packet_id, error=str(error))
        except RenderCancelledError:
            self._give_back(lease, "rendering given up")
        except NotYetError:
            self._give_back(lease, "the clip before is being made", NOT_YET_MS)
        finally:
            self._meters.rendered(ending, time.perf_counter() - started_s)
        return True

    def _take(self) -> Lease | None:
        with self._store.read() as session:
            if not leases.is_due(session, self._lease_ms(session)):
                return None
        with self._store.write() as session:
            wish = Wish(self._camera_id, is_fair(self._taken), self._bundles.carries)
            lease = leases.take(session, self._name, self._lease_ms(session), wish)
        if lease is not None:
            self._taken, self._camera_id = self._taken + 1, lease.camera_id
        return lease

    def _do(self, lease: Lease, cancelled: Callable[[], bool]) -> Ending:
        """Make the clip, or write down why not. Raises what is no fault of the job."""

        def close(session: Session, result_ref: str) -> None:
            leases.finish(session, lease, self._lease_ms(session), result_ref)

        try:
            surprise = attempt(
                lambda: self._maker.make(lease, cancelled, close),
                "clip failed as nobody foresaw",
                (*_LASTING, *_PASSING, *_NO_FAULT),
                packet=lease.packet_id,
            )
            if surprise is None:
                return Ending.MADE
            self._fail(lease, surprise, passing=True)
        except _PASSING as error:
            # Another machine does at once what this one cannot any more.
            self._fail(lease, str(error), passing=True, pause=not isinstance(error, LostRendererError))
        except _LASTING as error:
            self._fail(lease, str(error), passing=False)
        return Ending.FAILED

    def _fail(self, lease: Lease, error: str, *, passing: bool, pause: bool = True) -> None:
        with self._store.write() as session:
            now_ms = self._lease_ms(session)
            again = leases.fail(session, lease, now_ms, error, passing=passing, pause=pause)
        log.warning(
            "clip failed", packet=lease.packet_id, error=error, attempt=lease.attempt, tried_again=again
        )

    def _give_back(self, lease: Lease, event: str, pause_ms: int = 0) -> None:
        with self._store.write() as session:
            again = leases.give_back(session, lease, self._lease_ms(session), pause_ms)
        log.info(event, packet=lease.packet_id, queued_again=again)


def worker_name(number: int) -> str:
    """Name worker `number` of this process."""
    return f"{socket.gethostname()[:80]}-{os.getpid()}-{number}"
