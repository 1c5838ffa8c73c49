"""The services of compose.yaml as processes of this machine: their own commands and files, with paths mapped.

volume `broker` --> STATE/broker     /etc/mirage, /state/... of a command --> where its volume is here
mosquitto:8883, postgres:5432        --> loopback ports, and a socket
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cloud.metrics.exposition import ROLE_PORTS
from mirage.demo.broker import free_port
from tests.deploy.cloud.compose import CLOUD, ROOT, mounts, services

_FAREWELL_S = 180  # a busy machine
_DATABASE = re.compile(r"postgresql\+psycopg://mirage:(\w+)@127\.0\.0\.1:1/mirage")


def bootstrap(state: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script as the service does, with a folder for the volumes."""
    environment = {
        **os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "STATE": str(state),
        "MIRAGE_HOST": "localhost", "OMP_NUM_THREADS": "1", "SETTINGS": str(CLOUD / "settings.toml"),
        "MOSQUITTO_CONF": str(ROOT / "deploy" / "broker" / "mosquitto.conf"), **variables,
    }  # fmt: skip
    script = str(CLOUD / "bootstrap")
    return subprocess.run([script], env=environment, capture_output=True, text=True, check=False)


def mirage(*words: str | Path) -> str:
    """Run a command of ours; gives what it prints, and fails if it does."""
    command = [sys.executable, "-m", "mirage", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def free_ports(count: int) -> int:
    """Find the first of so many free loopback ports in a row."""
    while True:
        with ExitStack() as taken:
            first = free_port()
            try:
                for port in range(first, first + count):
                    taken.enter_context(socket.create_server(("127.0.0.1", port)))
            except (OSError, OverflowError):
                continue
            return first


@dataclass
class Site:
    """Volumes in `state`, ports of this machine, and what runs."""

    state: Path
    database: str  # where the database really is
    broker: int = field(default_factory=free_port)
    page: int = field(default_factory=free_port)
    enrolment: int = field(default_factory=free_port)
    metrics: int = field(default_factory=lambda: free_ports(len(ROLE_PORTS)))
    metrics_2: int = field(default_factory=free_port)  # of ingest-2, which has an address of its own there
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def prepare(self, bundles: Path) -> None:
        """Do what `bootstrap` does, then map what it has made."""
        done = bootstrap(
            self.state, BROKER=f"127.0.0.1:{self.broker}", DATABASE="127.0.0.1:1", BUNDLES=str(bundles),
            OBJECTS=str(self.state / "objects"), MIRAGE_MQTT_PORT=str(self.broker),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        password = (self.state / "database" / "password").read_text()
        for path in self.state.glob("*/cloud.toml"):
            text = path.read_text()
            assert _DATABASE.findall(text) == [password]
            text = _DATABASE.sub(self.database, text).replace('"0.0.0.0"', '"127.0.0.1"')
            metrics = self._metrics(path.parent.name)
            for told, here in ((8080, self.page), (8444, self.enrolment), (9464, metrics)):
                text = text.replace(f"port = {told}\n", f"port = {here}\n")
            path.write_text(text)
        conf = self.state / "broker" / "mosquitto.conf"
        conf.write_text(f"user root\n{self._mapped('mosquitto', conf.read_text())}")

    def once(self, name: str) -> None:
        """Run a service to its end, which must be a good one."""
        process = self._start(name)
        assert process.wait(_FAREWELL_S) == 0, self.log(name)

    def start(self, name: str) -> None:
        self.running[name] = self._start(name)

    def healthy(self, name: str) -> bool:
        """Ask as the service's healthcheck does."""
        command = self._command(name, services()[name]["healthcheck"]["test"][1:])
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def log(self, name: str) -> str:
        return (self.state / f"{name}.log").read_text(errors="replace")[-3000:]

    def stop(self) -> None:
        """End all that runs, the last one first."""
        for process in reversed(self.running.values()):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self.running.values()):
            _end(process)

    def _start(self, name: str) -> "subprocess.Popen[bytes]":
        command = self._command(name, services()[name]["command"])
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with (self.state / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _command(self, name: str, words: Sequence[str]) -> list[str]:
        program, *rest = (self._mapped(name, word) for word in words)
        path = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin"
        programs = {
            "mirage": [sys.executable, "-m", "mirage"],
            "/opt/mirage/healthy": [sys.executable, str(CLOUD / "healthy")],
        }
        return [*programs.get(program, [shutil.which(program, path=path) or program]), *rest]

    def _mapped(self, name: str, text: str) -> str:
        """Put in where things are here: volumes, ports, and process 1 of the broker's container."""
        for mount in mounts(services()[name]):
            if not mount.is_file:
                text = text.replace(f"{mount.target}/", f"{self.state / mount.source}/")
        text = text.replace("listener 8883\n", f"listener {self.broker} 127.0.0.1\n")
        for told, here in self._ports(name):
            text = re.sub(rf"([:=]){told}\b", rf"\g<1>{here}", text)
        if "os.kill(" in text:
            assert "os.kill(1, signal.SIGHUP)" in text
            text = text.replace("os.kill(1,", f"os.kill({self.running['mosquitto'].pid},")
        return text

    def _ports(self, name: str) -> Iterator[tuple[int, int]]:
        yield from ((8883, self.broker), (8080, self.page), (8444, self.enrolment))
        yield from ((9464 + offset, self._metrics(name) + offset) for offset in ROLE_PORTS.values())

    def _metrics(self, name: str) -> int:
        return self.metrics_2 if name == "ingest-2" else self.metrics


def _end(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(_FAREWELL_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def site(state: Path, database: str) -> Iterator[Site]:
    """Give a site, and end what it runs."""
    made = Site(state, database)
    try:
        yield made
    finally:
        made.stop()
