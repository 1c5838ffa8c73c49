"""When something fails inside, who asked gets a reference to the log, and nothing else of it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from structlog.testing import capture_logs

from cloud.access.entry import Entry
from cloud.config_serve import Serve
from cloud.store import Store
from mirage.demo.broker import free_port
from tests.cloud.broken_server import INSIDE, VaultError
from tests.cloud.site import ROOT, is_well
from tests.cloud.waiting import until
from tests.cloud.web import TRUST, serving
from wire.bundle import Bundle

PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}  # as browsers ask


@dataclass(frozen=True, slots=True)
class Broken:
    """A cloud in which something fails, and where it logs."""

    address: str
    logged: Path

    def ask(self, path: str, headers: dict[str, str]) -> httpx.Response:
        return httpx.get(f"{self.address}{path}", headers=headers, timeout=60, verify=TRUST)

    def entries(self, reference: str) -> list[str]:
        """Give what the log has under a reference."""
        return [line for line in self.logged.read_text().splitlines() if reference in line]


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Iterator[Broken]:
    folder, port = tmp_path_factory.mktemp("broken"), free_port()
    settings, logged = folder / "cloud.toml", folder / "log"
    settings.write_text(
        f'[broker]\nhost = "127.0.0.1"\nenvelope = "none"\n[bundle]\npaths = ["{bundle.root}"]\n'
        f"[serve]\nport = {port}\n"
    )
    with logged.open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.cloud.broken_server", str(settings)], stdin=subprocess.PIPE,
            stdout=log, stderr=subprocess.STDOUT, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        address = f"http://127.0.0.1:{port}"
        try:
            until(lambda: server.poll() is not None or is_well(address), 180)
            assert server.poll() is None, logged.read_text()
            yield Broken(address, logged)
        finally:
            assert server.stdin is not None
            server.stdin.close()
            server.wait(60)


def says_nothing_of_the_inside(answer: httpx.Response) -> bool:
    told = f"{answer.text} {answer.headers}"
    inside = (INSIDE, VaultError.__name__, "Traceback", "broken_server", ".py")
    return not any(word in told for word in inside)


def test_a_page_that_fails_gives_a_reference_that_the_log_has(broken: Broken) -> None:
    answer = broken.ask("/jobs", PAGE)
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert "Something went wrong" in answer.text
    assert says_nothing_of_the_inside(answer)
    found = re.search(r"<code>([0-9a-f]{8})</code>", answer.text)
    assert found is not None
    (entry,) = broken.entries(found[1])
    assert "/jobs" in entry
    assert INSIDE in broken.logged.read_text()


def test_a_route_that_fails_is_a_problem_with_a_reference(broken: Broken) -> None:
    for accepted in ({}, PAGE):
        answer = broken.ask("/api/v1/devices", accepted)
        body = answer.json()
        assert (answer.status_code, body["type"]) == (500, "/api/v1/problems/failed")
        assert answer.headers["content-type"] == "application/problem+json"
        assert says_nothing_of_the_inside(answer)
        (entry,) = broken.entries(body["reference"])
        assert "/api/v1/devices" in entry


def test_a_program_that_asks_for_a_page_gets_a_problem(broken: Broken) -> None:
    assert broken.ask("/jobs", {"Accept": "*/*"}).json()["type"] == "/api/v1/problems/failed"


def test_a_failure_is_logged_once(broken: Broken) -> None:
    before = broken.logged.read_text().count(INSIDE)
    reference = broken.ask("/api/v1/devices", {}).json()["reference"]
    until(lambda: bool(broken.entries(reference)))
    assert broken.ask("/api/v1/cameras", {}).status_code == 200, "it serves on"
    assert broken.logged.read_text().count(INSIDE) - before == 1


def test_a_visitor_without_a_login_is_not_told_where_things_are_kept(store: Store) -> None:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    guarded = Entry(Serve(access="token"), store).guarded(app)
    with store.write() as session:
        session.execute(text("DROP TABLE tokens"))
    token = {"Authorization": f"Bearer mrg_000000000000_{'x' * 43}"}
    with capture_logs() as logs, serving(guarded) as http:
        answer = http.get("/", headers=token)
    assert (answer.status_code, answer.json()["type"]) == (503, "/api/v1/problems/unavailable")
    assert not any(word in answer.text for word in ("store", "sqlite", "tokens"))
    (entry,) = [log for log in logs if log.get("reference") == answer.json()["reference"]]
    assert "no such table: tokens" in entry["error"]
