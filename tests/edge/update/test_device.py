"""The command as root calls it: over mutual TLS, and with a systemctl that notes its calls."""

import fcntl
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the cloud's half, which certifies, is not installed")

from edge.update import machine
from edge.update.machine import Device
from tests.edge.update.station import NEW, OLD, Maker, Shelf, Station, serving
from tests.pki import Pki
from wire.topics import DeviceTopics

DOOR = DeviceTopics("acme", "north", "edge-1")
AGENT = """
import json, os, sys
from pathlib import Path
from edge.update import machine, running, wishes
from edge.update.desk import Desk, Receipts
from edge.update.settings import load
root = Path(os.environ["ROOT"])
config = load(Path(os.environ["SETTINGS"]))
desk = Desk(config, "", running.id_of((root / "current").resolve()), None, "0" * 16)
desk.look(Receipts(heard=True, stored=os.environ["STORED"] == "yes", waiting=True), 0.0)
sys.stdin.read()
"""
SYSTEMCTL = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
  *"restart mirage-edge.service") echo restart >"$AGENTS" ;;
  is-failed*) test "$STORED" = no ;;
esac
"""


@contextmanager
def systemd(environment: dict[str, str]) -> Iterator[None]:
    """Start the agent, which is a process of its own, whenever systemctl says so."""
    pipe, over = Path(environment["AGENTS"]), threading.Event()
    os.mkfifo(pipe)
    descriptor = os.open(pipe, os.O_RDWR)
    running: list[subprocess.Popen[bytes]] = []

    def serve() -> None:
        while os.read(descriptor, 64) and not over.is_set():
            command = [sys.executable, "-c", AGENT]
            running.append(subprocess.Popen(command, stdin=subprocess.PIPE, env=environment))

    thread = threading.Thread(target=serve, name="systemd")
    thread.start()
    try:
        yield
    finally:
        over.set()
        os.write(descriptor, b"over\n")
        thread.join()
        os.close(descriptor)
        for process in running:
            process.communicate(b"")


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path / "pki")


@pytest.fixture
def secure(tmp_path: Path, pki: Pki) -> Iterator[Shelf]:
    """Serve by TLS, to devices of our authority only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.folder / "server.pem", pki.folder / "server.key")
    context.load_verify_locations(pki.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    (tmp_path / "shelf").mkdir()
    with serving(tmp_path / "shelf", context) as made:
        yield made


class Bench:
    """A device whose old release runs, a new one that is ordered, and the command."""

    def __init__(self, folder: Path, pki: Pki, shelf: Shelf) -> None:
        maker = Maker(shelf.folder)
        own = machine.platform_of(Path("/etc/nv_tegra_release"), os.uname().machine)
        python = Device(threading.Event()).python()
        self.old = maker.agent(OLD, "0.1.0", own, python)
        self.new = maker.agent(NEW, "0.2.0", own, python)
        maker.publish(self.new, self.old)
        self.station = Station(folder / "device", maker, shelf.url)
        self.station.flash(self.old)
        self.station.order(self.new.id)
        identity = folder / "device/identity"
        identity.mkdir()
        issued = pki.device(DOOR)
        (identity / "device.pem").write_bytes(issued.certificate.read_bytes())
        (identity / "device.key").write_bytes(issued.key.read_bytes())
        self.identity = identity
        (self.station.etc / "ca.pem").write_bytes(pki.ca.read_bytes())
        self.settings = self.station.etc / "update.toml"
        self.settings.write_text(
            f'[update]\nurl = "{shelf.url}"\nroot = "{self.station.root}"\nidentity = "{identity}"\n'
            f'wishes = "{self.station.wishes}"\nhealth_minutes = 5\n'
        )
        (folder / "bin").mkdir()
        systemctl = folder / "bin/systemctl"
        systemctl.write_text(SYSTEMCTL)
        systemctl.chmod(0o755)
        self.calls = folder / "calls"
        self.environment = {
            **os.environ,
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "CALLS": str(self.calls),
            "AGENTS": str(folder / "agents"),
            "ROOT": str(self.station.root),
            "SETTINGS": str(self.settings),
        }

    def update(self, *more: str, stored: bool = True) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mirage", "edge", "update", "--config", str(self.settings), *more]
        environment = {**self.environment, "STORED": "yes" if stored else "no"}
        Path(environment["AGENTS"]).unlink(missing_ok=True)
        with systemd(environment):
            return subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False, timeout=200
            )

    def said_until(self, words: str) -> str:
        """Run the command until it says these words, and end it as systemd does."""
        command = [sys.executable, "-m", "mirage", "edge", "update", "--config", str(self.settings)]
        process = subprocess.Popen(command, env=self.environment, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        said = next(line for line in process.stderr if words in line)
        process.terminate()
        process.communicate(timeout=60)
        assert process.returncode == 0
        return said


@pytest.fixture
def bench(tmp_path: Path, pki: Pki, secure: Shelf) -> Bench:
    return Bench(tmp_path, pki, secure)


def test_a_release_comes_over_tls_and_is_kept(bench: Bench) -> None:
    done = bench.update("--boot")
    assert (done.returncode, done.stderr) == (0, "")
    assert not bench.calls.exists(), "at boot systemd starts the agent by itself"
    done = bench.update("-v")
    assert done.returncode == 0, done.stderr
    assert bench.station.runs() == (bench.new.id, bench.new.id), done.stderr
    assert bench.calls.read_text().splitlines()[:3] == [
        "restart mirage-engines.service",
        "reset-failed mirage-edge.service",
        "--no-block restart mirage-edge.service",
    ]
    assert bench.station.state().outcomes["agent"].spent > 3000, "handshakes count"


def test_the_updater_of_the_new_version_takes_over_where_more_is_wanted(bench: Bench) -> None:
    bench.station.order("0123456789abcdef", "bundle")
    done = bench.update()
    assert bench.station.runs() == (bench.new.id, bench.new.id), done.stderr
    assert (done.returncode, done.stdout) == (0, "old\n"), "what its bin/mirage says"


def test_an_agent_that_systemd_gives_up_is_undone(bench: Bench) -> None:
    done = bench.update(stored=False)
    assert done.returncode == 0, done.stderr
    assert bench.station.runs() == (bench.old.id, bench.old.id)
    assert "the agent does not start" in bench.station.result()[1]
    assert bench.calls.read_text().count("restart mirage-edge.service") == 2


def test_a_server_of_another_authority_and_one_that_knows_us_not_are_waited_for(
    bench: Bench, tmp_path: Path
) -> None:
    stranger = Pki(tmp_path / "stranger")
    ours = (bench.station.etc / "ca.pem").read_bytes()
    for ca, identity, why in (
        (stranger.ca.read_bytes(), True, "certificate of the server is refused"),
        (ours, False, "index.json: "),  # OpenSSL has several words for it
    ):
        (bench.station.etc / "ca.pem").write_bytes(ca)
        if not identity:
            (bench.identity / "device.pem").unlink()
        said = bench.said_until("an update is not fetched yet")
        assert why in said
        assert bench.station.runs() == (bench.old.id, bench.old.id)


def test_two_updaters_are_one_too_many(bench: Bench) -> None:
    descriptor = os.open(bench.station.config.folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    done = bench.update()
    os.close(descriptor)
    assert done.returncode == 1
    assert "another update is under way" in done.stderr


def test_settings_that_cannot_be_used_end_it_with_a_line(bench: Bench) -> None:
    bench.settings.write_text('[update]\nurl = "http://example.com"\n')
    done = bench.update()
    assert done.returncode == 2
    assert done.stderr.startswith("mirage: ")
    assert "use https" in done.stderr
