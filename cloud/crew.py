"""Threads that are started together, watched, and stopped together: the process's supervisor."""

import threading
from collections.abc import Callable, Mapping

import structlog

RESTART_S = (1.0, 30.0)  # pause after a crash: doubled from the first to the last
STOP_S = 20.0

log = structlog.get_logger()

Failure = type[Exception]
Task = Callable[[threading.Event], None]


def attempt(
    work: Callable[[], None], event: str, foreseen: tuple[Failure, ...] = (), **told: object
) -> str | None:
    """Do something that must not end who does it: one try of a thread, one job of the worker.

    What nobody foresaw is logged with its traceback as `event`, and given in a line; None if all went well.
    """
    try:
        work()
    except foreseen:
        raise
    except Exception as error:
        log.exception(event, **told)
        return " ".join(f"{type(error).__name__}: {error}".split())
    return None


class Crew:
    """Runs tasks by name, each on a thread of its own; one that fails is started again after a pause."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._crashes: dict[str, str] = {}
        self._threads: list[threading.Thread] = []

    def add(self, name: str, task: Task) -> None:
        """Add a task; it begins with `run`, and is to return soon after its event is set."""
        self._threads.append(threading.Thread(target=self._supervise, args=(name, task), name=name))

    @property
    def crashes(self) -> Mapping[str, str]:
        """Tasks that are down at present, and what happened."""
        return dict(self._crashes)

    @property
    def tasks(self) -> list[str]:
        """All tasks by name."""
        return [thread.name for thread in self._threads]

    def run(self, stop: threading.Event) -> None:
        """Run all until `stop`, then stop all."""
        for thread in self._threads:
            thread.start()
        try:
            stop.wait()
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(STOP_S)
                if thread.is_alive():
                    log.error("does not stop", task=thread.name)

    def _supervise(self, name: str, task: Task) -> None:
        pause_s, limit_s = RESTART_S
        while not self._stop.is_set():
            crash = attempt(lambda: task(self._stop), "crashed, starting again", task=name, pause_s=pause_s)
            if crash is None:
                return
            self._crashes[name] = crash
            self._stop.wait(pause_s)
            pause_s = min(2 * pause_s, limit_s)
            self._crashes.pop(name, None)
