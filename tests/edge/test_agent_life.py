"""What systemd hears of a real agent: ready, food while everything gets on, and silence over what hangs."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge import agent, watchdog
from edge.watchdog import Manager
from mirage.demo.broker import LoopbackBroker
from tests.edge.films import panned, texture, write_film
from tests.edge.settings import config_of, write_config

_WAIT_S = 60.0


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(_WAIT_S)
        yield listener


@contextmanager
def stalling_camera(stream: bytes) -> Iterator[str]:
    """Be a network camera that sends `stream` and then nothing, with the connection open."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def serve() -> None:
            kept = []
            server.settimeout(0.1)
            while not over.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                kept.append(connection)
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" + stream)
            for connection in kept:
                connection.close()

        thread = threading.Thread(target=serve, name="stalling-camera")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/stream.ts"
        finally:
            over.set()
            thread.join()


def heard(listener: socket.socket, wanted: str) -> list[str]:
    """Listen until a message begins like this."""
    messages = [listener.recv(4096).decode()]
    while not messages[-1].startswith(wanted):
        messages.append(listener.recv(4096).decode())
    return messages


def test_an_agent_without_broker_and_camera_is_fed(
    tmp_path: Path, tiny: Path, systemd: socket.socket
) -> None:
    config = write_config(tmp_path, 1, tiny, {"door": "http://127.0.0.1:1/stream.ts"})
    said = {"NOTIFY_SOCKET": str(systemd.getsockname()), "WATCHDOG_USEC": "800000"}
    command = [sys.executable, "-m", "mirage", "edge", "run", "--config", str(config), "--drain-timeout", "0"]
    process = subprocess.Popen(command, env={**os.environ, **said}, stderr=subprocess.DEVNULL)
    try:
        assert heard(systemd, "READY=1") == ["READY=1"]
        assert [systemd.recv(4096) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        process.send_signal(signal.SIGTERM)
        assert set(heard(systemd, "STOPPING=1")) <= {"WATCHDOG=1", "STOPPING=1"}
        assert process.wait(_WAIT_S) == 0
    finally:
        process.kill()
        process.wait()


def test_a_camera_that_hangs_is_named_and_starves_the_watchdog(
    tmp_path: Path,
    tiny: Path,
    broker: LoopbackBroker,
    systemd: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watchdog, "STILL_LIMIT_S", 2.0)
    pictures = panned(texture(0), (320, 180), [(2 * at, at) for at in range(100)])
    stream = write_film(tmp_path / "stream.ts", pictures).read_bytes()
    stop = threading.Event()
    with stalling_camera(stream) as url:
        config = config_of(tmp_path, broker.port, tiny, {"door": url})
        manager = Manager(str(systemd.getsockname()), 800_000)
        thread = threading.Thread(target=lambda: agent.run(config, stop, 0.0, None, manager), name="agent")
        thread.start()
        try:
            messages = heard(systemd, "STATUS=camera door")
            assert messages[0] == "READY=1"
            assert "WATCHDOG=1" in messages
            assert messages[-1].startswith("STATUS=camera door: no progress and no attempt")
        finally:
            stop.set()
    thread.join(_WAIT_S)
    assert not thread.is_alive()
