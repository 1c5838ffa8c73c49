"""A part of the demo in a process of its own, with its log in a file."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mirage.errors import DemoError, InputError

_TOO_LITTLE_BYTES = 65536
ROOT = Path(__file__).resolve().parent.parent.parent


class Child:
    """A `mirage` command as a child process: stdout is its result, stderr goes to the log."""

    def __init__(self, name: str, arguments: list[str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.result = folder / f"{name}.json"
        self.peak_rss_bytes = 0
        # The parent may run from a source tree that is not installed.
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        with self.log.open("wb") as log, self.result.open("wb") as result:
            self._process = subprocess.Popen(  # noqa: S603 -- our own interpreter and module
                [sys.executable, "-m", "mirage", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=result,
                stderr=log,
                env={**os.environ, "PYTHONPATH": path},
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def ended(self) -> bool:
        """Tell whether it has ended well; raises InputError or DemoError where it failed."""
        self._watch_memory()
        code = self._process.poll()
        if code is None:
            return False
        if code == 0:
            return True
        reason = self._last_words() or f"exit {code}"
        if code == 2:
            raise InputError(reason.removeprefix("mirage: "))
        raise DemoError(f"{self.name} failed: {reason} (log: {self.log})")

    def stop(self, patience_s: float = 10.0) -> None:
        """Ask it to end, then insist."""
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        said = [line for line in lines if line.startswith("mirage: ")] or lines
        if not said and shutil.disk_usage(self.log.parent).free < _TOO_LITTLE_BYTES:
            return f"{self.log.parent}: No space left on device"  # not even for the log
        return said[-1].strip() if said else ""

    def _watch_memory(self) -> None:
        # Not getrusage: its maximum begins with the parent's size at the fork.
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text()
        except OSError:
            return
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                self.peak_rss_bytes = max(self.peak_rss_bytes, int(line.split()[1]) * 1024)


def wait_until(condition: Callable[[], bool], timeout_s: float, what: str, *children: Child) -> None:
    """Poll until `condition()` holds while no child has ended. Raises DemoError naming `what`."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        for child in children:
            if child.ended():
                raise DemoError(f"{child.name} ended before {what} (log: {child.log})")
        if time.monotonic() > deadline_s:
            raise DemoError(f"{what}: nothing after {timeout_s:g} s")
        time.sleep(0.1)
