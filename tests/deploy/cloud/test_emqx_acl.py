"""deploy/cloud/emqx-acl: Mosquitto's list as EMQX's rules, and into its API (a stand-in for it)."""

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from cloud.acl import acl, of_cloud
from cloud.enrolment import Enrolment
from tests.deploy.cloud.compose import CLOUD
from tests.pki import new_key
from wire.topics import DeviceTopics

DOOR = DeviceTopics("acme", "north", "edge-1")
LISTED = acl([Enrolment(DOOR, ("door",), new_key().public_key(), 0)], [of_cloud("main")])


def emqx_acl(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CLOUD / "emqx-acl"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "acl"
    path.write_text(LISTED)
    return path


def test_each_user_gets_what_mosquitto_gives_it_and_nobody_else_gets_anything(listed: Path) -> None:
    done = emqx_acl(listed)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    users = [line.split('"')[1] for line in lines[:-1]]
    assert users == ["cloud.main", "cloud.main", "edge-1", "edge-1"]
    assert lines[-1] == "{deny, all}."
    written = [line for line in LISTED.partition("user edge-1")[2].splitlines() if "write" in line]
    assert all(f'"{line.split()[2]}"' in lines[2] for line in written)
    assert lines[3].startswith('{allow, {user, "edge-1"}, subscribe, ["mirage/v1/acme/north/edge-1/ack", ')


def test_a_device_may_subscribe_to_all_its_commands_at_once(listed: Path) -> None:
    rule = emqx_acl(listed).stdout.splitlines()[3]
    assert rule.count("{eq, ") == 1
    assert '{eq, "mirage/v1/acme/north/edge-1/cmd/+"}' in rule


@pytest.mark.parametrize(
    "text",
    ["topic read a/b\n", "user edge-1\npattern read %c/#\n", 'user edge-1\ntopic read a"}\n', "user a\nx\n"],
)
def test_what_is_no_list_of_ours_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "acl").write_text(text)
    done = emqx_acl(tmp_path / "acl")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("emqx-acl: ")


class Api(HTTPServer):
    """Takes requests as EMQX's API does, and answers with `status`."""

    status = 204

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = list[tuple[str, str, bytes]]()


class Handler(BaseHTTPRequestHandler):
    server: Api

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, str(self.headers["Authorization"]), body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
        pass


@pytest.fixture
def api() -> Iterator[Api]:
    server = Api()
    thread = threading.Thread(target=server.serve_forever, name="api")
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_rules_replace_those_of_a_running_emqx(listed: Path, api: Api) -> None:
    url = f"http://127.0.0.1:{api.server_port}"
    done = emqx_acl(listed, "--push", url, EMQX_API_KEY="key", EMQX_API_SECRET="secret")  # noqa: S106 -- no secret
    assert (done.returncode, done.stderr) == (0, "")
    ((path, login, body),) = api.asked
    assert path == "/api/v5/authorization/sources/file"
    assert base64.b64decode(login.removeprefix("Basic ")) == b"key:secret"
    assert json.loads(body) == {"type": "file", "enable": True, "rules": emqx_acl(listed).stdout}


def test_a_refusal_is_an_error(listed: Path, api: Api) -> None:
    api.status = 401
    url = f"http://127.0.0.1:{api.server_port}"
    done = emqx_acl(listed, "--push", url, EMQX_API_KEY="key", EMQX_API_SECRET="wrong")  # noqa: S106 -- no secret
    assert done.returncode == 1
    assert "HTTP 401" in done.stderr


def test_without_a_key_it_says_where_one_is_had(listed: Path) -> None:
    done = emqx_acl(listed, "--push", "http://127.0.0.1:1")
    assert done.returncode == 1
    assert "EMQX_API_KEY" in done.stderr
