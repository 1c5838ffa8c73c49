"""The processes of a run: brokers, cloud and device, each of which may be killed at any instant.

None outlives the run: each is a process group of its own that is killed in the end, and dies with its parent.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from mirage.demo.broker import LoopbackBroker, free_port
from mirage.demo.child import ROOT
from mirage.errors import InputError

_UP_S = 20.0
_STOP_S = 15.0

# Dies with its parent, as far as the system knows how, even if that is killed.
_LEASH = (
    "import ctypes, os, signal, sys;"
    "getattr(ctypes.CDLL(None), 'prctl', lambda *_: 0)(1, signal.SIGKILL);"
    "os.getppid() == int(sys.argv[1]) or sys.exit(1);"  # it died before it was asked for
    "os.execvp(sys.argv[2], sys.argv[2:])"
)
_IOTCORE = "import iotcore, sys; iotcore.Broker(config_path=sys.argv[1]).run_forever()"
# What it says it has saved is up to a second old: a killed broker comes back with retained messages of then.
_MOSQUITTO = """\
user root
listener {port} 127.0.0.1
allow_anonymous true
max_queued_messages 0
persistence true
persistence_location {folder}/
autosave_on_changes true
autosave_interval 50
"""


class Party:
    """One command in a process group of its own; its stdout and stderr go to one log, over all its lives."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def exit_code(self) -> int | None:
        """How it has ended; None while it runs, and where it was not started or was ended from here."""
        return None if self._process is None else self._process.poll()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Its process; None where it was not started, or was ended from here."""
        return None if self._process is None else self._process.pid

    def start(self, command: Sequence[str]) -> None:
        """Run a command. Raises OSError."""
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        with self.log.open("ab") as log:
            log.write(f"--- start {self.starts}\n".encode())
            log.flush()
            self._process = subprocess.Popen(  # noqa: S603 -- our own commands
                [sys.executable, "-SEc", _LEASH, str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": path},
            )
        self.starts += 1

    def terminate(self) -> None:
        """Ask it to end."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """End it between any two instructions."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def await_end(self, timeout_s: float) -> bool:
        """Wait for its end; False if it does not come."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """Ask it to end, then insist."""
        self.terminate()
        self.await_end(_STOP_S)
        self.kill()

    def last_words(self) -> str:
        """Give the end of its log."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-30:])


class BrokerParty:
    """A broker on a port of its own, that may be killed and started again."""

    def __init__(self, kind: Literal["iotcore", "mosquitto"], folder: Path) -> None:
        """Write its configuration. Raises InputError where it is not installed."""
        folder.mkdir(exist_ok=True)
        self._party = Party("broker", folder.parent)
        self._read = 0  # of its log
        if kind == "iotcore":
            loopback = LoopbackBroker(folder)
            self.port = loopback.port
            self._command = [sys.executable, "-c", _IOTCORE, str(folder / "broker.toml")]
            return
        program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin")
        if program is None:
            raise InputError("--broker mosquitto: it is not installed: apt-get install mosquitto")
        self.port = free_port()
        config = folder / "mosquitto.conf"
        config.write_text(_MOSQUITTO.format(port=self.port, folder=folder.resolve()))
        self._command = [program, "-c", str(config)]

    @property
    def party(self) -> Party:
        return self._party

    def has_lost_its_head(self) -> bool:
        """Tell whether it runs, and serves nobody any more, as rumqttd 0.20 does.

        Its router panics, and its process lives on, when the last of a group leaves with messages that it
        has not acknowledged. And a session that is resumed may wait for receipts of messages that it never
        sends again: it hangs up on every receipt as out of order, for ever.
        """
        with self._party.log.open("rb") as log:
            log.seek(self._read)
            news = log.read()
        self._read += len(news)
        return b" panicked at " in news or b"out of order ack" in news

    def start(self) -> None:
        """Start, and return when it listens. Raises OSError."""
        self._party.start(self._command)
        deadline_s = time.monotonic() + _UP_S
        while not listens(self.port):
            if not self._party.is_running or time.monotonic() > deadline_s:
                raise OSError(f"the broker does not come up (log: {self._party.log})")
            time.sleep(0.02)


def listens(port: int) -> bool:
    """Tell whether anyone listens on a loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
