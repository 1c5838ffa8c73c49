"""The process's threads, by name. The first that fails stops the others."""

from collections.abc import Callable
from threading import Event, Thread

import structlog

log = structlog.get_logger()


class Crew:
    """Starts threads and waits for them; `failed` is set when one of them has raised."""

    def __init__(self) -> None:
        self.failed = Event()
        self._failure: Exception | None = None
        self._threads: dict[str, Thread] = {}

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Run `work` in a thread called `name`."""
        thread = Thread(target=self._supervise, args=(name, work), name=name)
        self._threads[name] = thread
        thread.start()

    def is_working(self, *names: str) -> bool:
        """Tell whether one of these threads was started and has not ended."""
        return any(name in self._threads and self._threads[name].is_alive() for name in names)

    def wait(self, *names: str) -> None:
        """Wait for these threads, as far as they were started."""
        for name in names:
            if name in self._threads:
                self._threads[name].join()

    def join(self) -> None:
        """Wait until all have ended; raise what the first one to fail raised."""
        for thread in self._threads.values():
            thread.join()
        if self._failure is not None:
            raise self._failure

    def _supervise(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            log.info("thread failed", thread=name, exc_info=True)
            if self._failure is None:
                self._failure = error
            self.failed.set()
