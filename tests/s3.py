"""An S3 server for tests, a process of its own on a loopback port: moto's, which checks every signature.

def test_x(s3: S3, monkeypatch) -> None:
    where = s3.place(monkeypatch)       # s3://clips/place-0, and AWS_* as docs/scaling.md says

Skips the test where moto is not installed.
"""

import importlib.util
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx
import pytest

from mirage.demo.broker import free_port

BUCKET = "clips"
PAGE = 20  # objects in one answer to who lists; Amazon gives 1,000
LOOK = ("s3:ListBucket", "s3:GetObject")
ALL = (*LOOK, "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")  # as docs/scaling.md says
_UP_S = 60.0
_UNSIGNED = 7  # requests of `_prepare`, after which every one has to be signed
_POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": [%s], "Resource": "*"}]}'


@dataclass(frozen=True, slots=True)
class Keys:
    """What a user of the store signs with."""

    id: str
    secret: str


@dataclass
class S3:
    """A running server with one bucket; `owner` may do all that a cloud has to, `reader` may only look."""

    url: str
    owner: Keys
    reader: Keys
    numbers: Iterator[int] = field(default_factory=count)

    def place(self, monkeypatch: pytest.MonkeyPatch, *, keys: Keys | None = None, url: str = "") -> str:
        """Give a new place for objects, and set the environment as who runs a cloud there would."""
        keys = keys or self.owner
        for name in [each for each in os.environ if each.startswith("AWS_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ENDPOINT", url or self.url)
        return f"s3://{BUCKET}/place-{next(self.numbers)}"


@contextmanager
def running_s3(log: Path) -> Iterator[S3]:
    """Run a server, or skip and say what is missing."""
    if any(importlib.util.find_spec(name) is None for name in ("moto", "flask_cors", "py_partiql_parser")):
        pytest.skip("no S3 server is installed: pip install 'mirage-video[test]'")
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    limits = {"INITIAL_NO_AUTH_ACTION_COUNT": str(_UNSIGNED), "MOTO_S3_DEFAULT_MAX_KEYS": str(PAGE)}
    with log.open("wb") as out:
        server = subprocess.Popen(
            command, env={**os.environ, **limits}, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    try:
        _await(server, port, log)
        yield _prepare(f"http://127.0.0.1:{port}")
    finally:
        server.kill()
        server.wait(_UP_S)


def _await(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline_s = time.monotonic() + _UP_S
    while not _listens(port):
        assert server.poll() is None, log.read_text(errors="replace")
        assert time.monotonic() < deadline_s, "the S3 server does not come up"
        time.sleep(0.02)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _prepare(url: str) -> S3:
    with httpx.Client(base_url=url, timeout=_UP_S) as client:
        client.put(f"/{BUCKET}").raise_for_status()
        owner, reader = _user(client, "owner", ALL), _user(client, "reader", LOOK)
    return S3(url, owner, reader)


def _user(client: httpx.Client, name: str, actions: tuple[str, ...]) -> Keys:
    """Make a user that may do `actions`."""
    allowed = ", ".join(f'"{action}"' for action in actions)
    _iam(client, "CreateUser", UserName=name)
    _iam(client, "PutUserPolicy", UserName=name, PolicyName="clips", PolicyDocument=_POLICY % allowed)
    made = _iam(client, "CreateAccessKey", UserName=name)
    found = [re.search(f"<{tag}>([^<]+)<", made) for tag in ("AccessKeyId", "SecretAccessKey")]
    key_id, secret = (match[1] for match in found if match is not None)
    return Keys(key_id, secret)


def _iam(client: httpx.Client, action: str, **fields: str) -> str:
    # The scope says for which of its services a request is; nobody looks at the signature yet.
    scope = "Credential=a/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0"
    form = {"Action": action, "Version": "2010-05-08", **fields}
    answer = client.post("/", data=form, headers={"Authorization": f"AWS4-HMAC-SHA256 {scope}"})
    return answer.raise_for_status().text
