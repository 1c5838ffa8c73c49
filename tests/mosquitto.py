"""A real Mosquitto on a loopback port, which may be killed at any instant and started again.

    with mosquitto(tmp_path, PLAIN) as broker:          everybody may do everything, nothing outlives it
    with mosquitto(tmp_path, PERSISTENT) as broker:     sessions and retained messages are in `tmp_path`
    with mosquitto(tmp_path, shipped(folder)):          what deploy/broker/ says, with TLS, CRL and ACL

Skips the test where Mosquitto is not installed.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mirage.demo.broker import free_port

# `{port}` and `{folder}` are filled in. As root it would become another user, who may not read `folder`.
PLAIN = """\
user root
listener {port} 127.0.0.1
allow_anonymous true
"""
# Saved after each change: that is as durable as Mosquitto gets, and it is not before the PUBACK.
PERSISTENT = f"""\
{PLAIN}persistence true
persistence_location {{folder}}/
autosave_on_changes true
autosave_interval 1
"""

_UP_S = 60.0
_PLACE = "/etc/mosquitto/mirage"
_SHIPPED = Path(__file__).parent.parent / "deploy" / "broker" / "mosquitto.conf"


def shipped(pki: Path) -> str:
    """Give the configuration of deploy/broker/, with the files that it names in the folder `pki`."""
    text = _SHIPPED.read_text("utf-8").replace(_PLACE, str(pki))
    text = text.replace("/var/lib/mosquitto/", "{folder}/")
    return "user root\n" + text.replace("\nlistener 8883\n", "\nlistener {port} 127.0.0.1\n")


class Mosquitto:
    """One broker with one port; `start` after `kill` is a restart. Its log is in `log`."""

    def __init__(self, folder: Path, config: str) -> None:
        """Choose a port, and write the configuration into `folder`."""
        program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin")
        if program is None:
            pytest.skip("mosquitto is not installed: apt-get install mosquitto")
        self.port = free_port()
        self.log = folder / "mosquitto.log"
        self._config = folder / "mosquitto.conf"
        self._config.write_text(config.format(port=self.port, folder=folder))
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and return when it listens."""
        with self.log.open("ab") as log:
            command = [self._program, "-c", str(self._config)]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline_s = time.monotonic() + _UP_S
        while not _listens(self.port):
            assert self._process.poll() is None, self.log.read_text(errors="replace")
            assert time.monotonic() < deadline_s, "Mosquitto does not come up"
            time.sleep(0.01)

    def kill(self) -> None:
        """End it between any two instructions: no goodbye, nothing saved."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Let it end, and save what it keeps."""
        self._end(signal.SIGTERM)

    def reload(self) -> None:
        """Have the ACL file read again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(_UP_S)
            self._process = None


@contextmanager
def mosquitto(folder: Path, config: str = PLAIN) -> Iterator[Mosquitto]:
    """Run a broker whose files are in `folder`; it is killed at the end."""
    broker = Mosquitto(folder, config)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
