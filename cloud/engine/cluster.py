"""Workers whose renderers are on the nodes of a Ray cluster: as many as the queue is deep, within bounds.

    queue <-- worker thread 1 <--> host on some node      each worker does what one here would do: it takes
          <-- worker thread 2 <--> host on another        leases, uploads, publishes; only frames come from
              '-- grown and shrunk by `Fleet`             the nodes

A host whose node is lost costs its worker one attempt at one job. A new host is awaited before the next job
is taken, so no job waits for a node that does not come: other workers take it.
"""

import logging
import threading
import time
from collections.abc import Callable

import ray
import structlog

from cloud import leases
from cloud.crew import attempt
from cloud.engine.bounds import JOBS_EACH, Bounds, Size, wanted
from cloud.engine.remote import Host, Place
from cloud.leases import database_ms
from cloud.render.renderer import LostRendererError
from cloud.store import Store, StoreError
from cloud.worker import POLL_S, Worker

_LOOK_S = 1.0  # how soon it is noticed that more are needed, or fewer
_AGAIN_S = 2.0  # pause after a host could not be had, or its worker failed
_STOP_S = 15.0

log = structlog.get_logger()

MakeWorker = Callable[[int, Host], Worker]


class EngineError(RuntimeError):
    """The cluster cannot be reached; the message says where it was sought."""


def connect(address: str) -> None:
    """Join a cluster, "local" for one of this machine alone; raises EngineError."""
    if ray.is_initialized():
        return
    try:
        where = None if address == "local" else address
        ray.init(
            address=where, log_to_driver=False, include_dashboard=False, namespace="mirage",
            logging_level=logging.WARNING,
        )  # fmt: skip
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        line = str(error).strip().split("\n", maxsplit=1)[0]
        raise EngineError(f"ray {address}: {line}") from error


class Fleet:
    """Runs workers, each on a thread of its own with a host of its own. For one thread."""

    def __init__(self, store: Store, place: Place, make_worker: MakeWorker, bounds: Bounds) -> None:
        self._store = store
        self._place = place
        self._make_worker = make_worker
        self._bounds = bounds
        self._size = Size(bounds.least)
        self._posts = list[_Post]()
        self._hired = 0

    @property
    def size(self) -> int:
        """How many there are at present."""
        return len(self._posts)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop`."""
        try:
            while True:
                self._fill()
                if stop.wait(_LOOK_S):
                    return
                self._look()
        finally:
            for post in self._posts:
                post.stop.set()
            end_s = time.monotonic() + _STOP_S
            for post in self._posts:
                post.thread.join(max(end_s - time.monotonic(), 0))
            self._posts.clear()

    def _look(self) -> None:
        try:
            with self._store.read() as session:
                waiting = leases.depth(session, database_ms(session), self._bounds.most * JOBS_EACH)
        except StoreError as error:
            log.warning("cannot see how much waits", error=str(error))
            return
        busy = sum(post.busy for post in self._posts)
        self._size = self._size.after(wanted(self._bounds, busy, waiting), time.monotonic())

    def _fill(self) -> None:
        """Begin what lacks, and end what is too many and idle."""
        for post in [post for post in self._posts if not post.busy][: max(self.size - self._size.count, 0)]:
            post.stop.set()
            self._posts.remove(post)
            log.info("renderer let go", worker=post.thread.name, renderers=self.size)
        while self.size < self._size.count:
            post = _Post(self._hired, self._place, self._make_worker)
            self._hired += 1
            self._posts.append(post)
            post.thread.start()
            log.info("renderer asked for", worker=post.thread.name, renderers=self.size)


class _Post:
    """One worker's thread, over as many hosts as it outlives. `busy` while it has a job."""

    def __init__(self, number: int, place: Place, make_worker: MakeWorker) -> None:
        self.stop = threading.Event()
        self.busy = False
        self.thread = threading.Thread(target=self._run, name=f"render-{number}")
        self._number = number
        self._place = place
        self._make_worker = make_worker

    def _run(self) -> None:
        while not self.stop.is_set():
            failed = attempt(self._serve, "worker crashed, starting again", worker=self.thread.name)
            if failed is not None:
                self.stop.wait(_AGAIN_S)

    def _serve(self) -> None:
        """Work with one host, for as long as that lives."""
        host = Host(self._place)
        try:
            if not host.wait_ready(self.stop.is_set):
                return
            worker = self._make_worker(self._number, host)
            while not (self.stop.is_set() or host.lost):
                self.busy = True
                worked = worker.work(self.stop.is_set)
                self.busy = False
                if not worked:
                    self.stop.wait(POLL_S)
            if host.lost:
                log.warning("a renderer is gone", worker=self.thread.name)
        except LostRendererError as error:
            log.warning("a renderer did not come up", worker=self.thread.name, error=str(error))
            self.stop.wait(_AGAIN_S)
        finally:
            self.busy = False
            host.close()
