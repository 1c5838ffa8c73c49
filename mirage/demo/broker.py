"""An MQTT 5 broker for this machine only: iotcore's rumqttd in a child process.

It checks neither topic ACLs nor client certificates, so it listens on loopback and nowhere else.
"""

import contextlib
import os
import random
import socket
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import iotcore

from mirage.errors import DemoError

_FIRST_PORT, _TRIES, _MARKS = 10_240, 64, 64
_PATIENCE_S = 60.0  # a busy machine takes longer than the 10 s that iotcore waits by itself

_marks = deque[int]()  # descriptors, the oldest first

# A `v5` section makes rumqttd speak MQTT 5; its keyword form serves 3.1.1 only.
_CONFIG = """\
id = 0

[router]
id = 0
max_connections = {connections}
max_outgoing_packet_count = 200
max_segment_size = 10485760
max_segment_count = 10

[v5.1]
name = "loopback"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 10000
max_payload_size = 131072
max_inflight_count = 100
dynamic_filters = true
"""


def free_port() -> int:
    """Find a loopback port that nobody listens on at this moment.

    No port that the kernel gives to connections: one of them could have it before whoever is to listen. Nor
    one of the last that were given here, to whichever process: each is marked by the UDP port of its number.
    """
    ours = range(_FIRST_PORT, _first_of_connections())
    for port in random.SystemRandom().sample(ours, min(_TRIES, len(ours))):
        probe, mark = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
        with probe, mark, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            mark.bind(("127.0.0.1", port))
            _keep(mark.detach())
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _keep(mark: int) -> None:
    """Hold a descriptor until so many others were given, or the process ends."""
    _marks.append(mark)
    if len(_marks) > _MARKS:
        os.close(_marks.popleft())


def _first_of_connections() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    except OSError:
        return 32768  # Linux's default, below that of others


@contextlib.contextmanager
def _stderr_into(log: Path) -> Iterator[None]:
    """Let children that the body starts write their stderr into a file."""
    sys.stderr.flush()
    ours = os.dup(2)
    try:
        with log.open("wb") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(ours, 2)
        os.close(ours)


class LoopbackBroker:
    """May be stopped and started again on its port; it forgets everything meanwhile."""

    def __init__(self, folder: Path, connections: int = 64) -> None:
        """Choose a port, and write the configuration into `folder`."""
        self.port = free_port()
        self._folder = folder
        self._config = folder / "broker.toml"
        self._config.write_text(_CONFIG.format(port=self.port, connections=connections))
        self._running: iotcore.Broker | None = None

    def start(self) -> None:
        """Start, and return when it listens. Raises DemoError."""
        self._running = iotcore.Broker(config_path=str(self._config))
        try:
            with _stderr_into(self._folder / "broker.log"):  # it talks a lot when its clients leave
                self._running.start(_PATIENCE_S)
        except (OSError, RuntimeError) as error:
            raise DemoError(f"broker on 127.0.0.1:{self.port}: {error}") from error

    def stop(self) -> None:
        """End the child process, if it runs."""
        if self._running is not None:
            self._running.stop()
            self._running = None


@contextlib.contextmanager
def loopback_broker(folder: Path) -> Iterator[int]:
    """Run a broker and give its port. Raises DemoError when it does not come up."""
    broker = LoopbackBroker(folder)
    broker.start()
    try:
        yield broker.port
    finally:
        broker.stop()
