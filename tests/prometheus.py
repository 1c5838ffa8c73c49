"""A real Prometheus on a loopback port, from Debian's package; a test without one is skipped."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from mirage.demo.broker import free_port

_UP_S = 60.0


def program(name: str) -> str:
    """Find `prometheus` or `promtool`, or skip."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: apt-get install prometheus")
    return found


def promtool(*arguments: str | Path, folder: Path) -> str:
    """Run promtool; fails with what it says. Gives that."""
    command = [program("promtool"), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


class Prometheus:
    """One that runs."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def query(self, expression: str) -> list[dict[str, object]]:
        """Give the series that an expression has now; fails if Prometheus refuses it."""
        answer = self._http.get("/api/v1/query", params={"query": expression}).json()
        assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
        found: list[dict[str, object]] = answer["data"]["result"]
        return found

    def holds(self, expression: str) -> bool:
        """Tell whether an expression finds anything."""
        return bool(self.query(expression))


@contextmanager
def prometheus(config: Path) -> Iterator[Prometheus]:
    """Run it on a settings file, in whose folder it keeps its data."""
    port = free_port()
    command = [
        program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={config.parent / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    with (config.parent / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            _await_ready(http, process, config.parent / "prometheus.log")
            yield Prometheus(http)
    finally:
        process.terminate()
        process.wait(_UP_S)


def _await_ready(http: httpx.Client, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end_s = time.monotonic() + _UP_S
    while not _is_ready(http):
        assert process.poll() is None, log.read_text(errors="replace")
        assert time.monotonic() < end_s, "Prometheus does not come up"
        time.sleep(0.05)


def _is_ready(http: httpx.Client) -> bool:
    try:
        return http.get("/-/ready").status_code == 200
    except httpx.TransportError:
        return False
