"""What Mosquitto spends on a message that it takes and delivers, and on a connection that says nothing."""

import resource
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mirage.bench.ingest import spent_cpu_s
from mirage.bench.ingest_load import Load, Mosquitto, find_mosquitto, mosquitto, publish_all
from mirage.bench.plan.figures import Figures, measured
from mirage.demo.child import ROOT
from mirage.errors import DemoError

_CONNECTIONS = 4_000  # or half of what this process may have open
_MESSAGES = 30_000  # at least: a processor's time is counted in hundredths of seconds


def measure(load: Load, here: str) -> Figures:
    """Send a load through Mosquitto; nothing where it is not installed. Raises DemoError."""
    program = find_mosquitto()
    if program is None:
        return {}
    with tempfile.TemporaryDirectory(prefix="mirage-plan-") as name:
        with mosquitto(program, Path(name)) as broker:
            publishes = list(load.publishes) * -(-_MESSAGES // load.packets)
            cpu_s = _message_cpu_s(broker, publishes)
        with mosquitto(program, Path(name)) as broker:
            count = min(_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
            size = _connection_bytes(broker, count)
    told = f"Mosquitto's processor time for {len(publishes)} packets at QoS 1 to one subscriber, {here}"
    idle = f"growth of Mosquitto's memory with {count} idle connections without TLS, {here}"
    return {
        "broker_cpu_s_per_message": measured("broker_cpu_s_per_message", cpu_s, told),
        "broker_bytes_per_connection": measured("broker_bytes_per_connection", size, idle),
    }


def _message_cpu_s(broker: Mosquitto, publishes: Sequence[bytes]) -> float:
    """Give processor seconds for each message that is taken, delivered, and acknowledged on both sides."""
    with _counting(broker, len(publishes)) as child:
        before_s = spent_cpu_s([broker.pid])
        publish_all(broker.port, publishes)
        if child.stdout is None or not child.stdout.readline():
            raise DemoError("the subscriber that counts has ended")
        return (spent_cpu_s([broker.pid]) - before_s) / len(publishes)


@contextmanager
def _counting(broker: Mosquitto, count: int) -> "Iterator[subprocess.Popen[str]]":
    """Run a subscriber that says a line when it has so many messages."""
    command = [sys.executable, "-m", "mirage.bench.ingest_bare", str(broker.port), str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:  # noqa: S603 -- ours
        try:
            if child.stdout is None or child.stdout.readline() != "ready\n":
                raise DemoError("the subscriber that counts does not start")
            yield child
        finally:
            child.kill()


def _connection_bytes(broker: Mosquitto, count: int) -> float:
    before = _resident_bytes(broker.pid)
    with ExitStack() as stack:
        for number in range(count):
            stack.enter_context(_connected(broker.port, f"idle-{number:04}"))
        return max(_resident_bytes(broker.pid) - before, 0) / count


def _connected(port: int, client: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    hello = b"\0\4MQTT\5\2\0\x3c\0" + len(client).to_bytes(2, "big") + client.encode()
    connection.sendall(b"\x10" + bytes((len(hello),)) + hello)
    if connection.recv(256)[:1] != b"\x20":
        connection.close()
        raise DemoError("the broker does not take a connection")
    return connection


def _resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise DemoError(f"/proc/{pid}/status does not tell its memory")
