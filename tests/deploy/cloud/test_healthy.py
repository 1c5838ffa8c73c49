"""deploy/cloud/healthy: what HEALTHCHECK says of a role, over real HTTP."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from mirage.demo.broker import free_port
from tests.deploy.cloud.compose import CLOUD

UP = '# TYPE mirage_task_up gauge\nmirage_task_up{task="ingest"} 1.0\nmirage_task_up{task="usage"} 1.0\n'
PAGES = {
    "/healthz": (200, '{"ok":true}'),
    "/sick": (503, '{"ok":false}'),
    "/metrics": (200, UP),
    "/down": (200, UP.replace('"usage"} 1.0', '"usage"} 0.0')),
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, text = PAGES[self.path]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
        pass


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="pages")
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def healthy(*urls: str) -> tuple[int, str]:
    command = [sys.executable, str(CLOUD / "healthy"), *urls]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr.strip()


def test_a_role_that_is_well_is_healthy(port: int) -> None:
    root = f"http://127.0.0.1:{port}"
    assert healthy(f"{root}/healthz", f"{root}/metrics", f"tcp://127.0.0.1:{port}") == (0, "")


@pytest.mark.parametrize(("page", "why"), [("/sick", "HTTP 503"), ("/down", "down: usage")])
def test_a_role_that_is_not_says_why(port: int, page: str, why: str) -> None:
    url = f"http://127.0.0.1:{port}{page}"
    assert healthy(f"http://127.0.0.1:{port}/healthz", url) == (1, f"{url}: {why}")


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_nobody_there_is_not_healthy(kind: str) -> None:
    status, why = healthy(f"{kind}://127.0.0.1:{free_port()}")
    assert status == 1
    assert "refused" in why


def test_who_listens_and_says_nothing_sensible_is_not_healthy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:

        def answer() -> None:
            connection, _ = silent.accept()
            connection.sendall(b"SSH-2.0-x\r\n")
            connection.close()

        thread = threading.Thread(target=answer, name="silent")
        thread.start()
        status, why = healthy(f"http://127.0.0.1:{silent.getsockname()[1]}/metrics")
        thread.join()
    assert status == 1
    assert why.startswith("http://127.0.0.1:")
