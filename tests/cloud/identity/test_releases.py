"""Releases over TLS beside enrolment: in pieces, nothing else of the disk, and room left for who enrols."""

import http.client
import random
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from cloud.config import ConfigError, load
from cloud.identity import connection
from cloud.identity.connection import Pace
from cloud.identity.office import application, settings_of
from tests.office import Counter, counter

ID, BASE = "0123456789abcdef", "fedcba9876543210"
CONTENT = random.Random(1).randbytes(32 << 20)  # more than sockets and buffers hold
AT = f"/v1/releases/{ID}"


@contextmanager
def shelf(folder: Path, settings: str = "", tables: str = "") -> Iterator[Counter]:
    """Serve a folder of releases, and enrolment, with TLS."""
    packs = folder / "cloud/releases" / ID / "packs"
    packs.mkdir(parents=True)
    (packs / "whole.pack").write_bytes(CONTENT)
    (packs / f"{BASE}.pack").write_bytes(b"small")
    (packs.parent / "index.json").write_bytes(b"{}")
    (packs.parent / "release.json").write_bytes(b"{ }")
    with counter(folder / "cloud") as made:
        (made.folder / "secret.pack").write_bytes(b"secret")
        (packs.parent / "notes.txt").write_bytes(b"secret")
        text = made.settings.read_text()
        more = f'[enrolment]\nreleases = "releases"\n{settings}'
        made.settings.write_text(text.replace("[enrolment]\n", more) + tables)
        desk = replace(made, config=load(made.settings))
        with desk.open():
            yield desk


def client(desk: Counter) -> httpx.Client:
    port = settings_of(desk.config).port
    trusted = ssl.create_default_context(cafile=str(desk.pki.ca))
    return httpx.Client(base_url=f"https://localhost:{port}", verify=trusted, timeout=60)


@contextmanager
def raw(desk: Counter, target: str) -> Iterator[http.client.HTTPResponse]:
    """Ask for a target as it is written."""
    trusted = ssl.create_default_context(cafile=str(desk.pki.ca))
    connection = http.client.HTTPSConnection(
        "localhost", settings_of(desk.config).port, context=trusted, timeout=60
    )
    connection.putrequest("GET", target, skip_accept_encoding=True)
    connection.endheaders()
    with closing(connection), connection.getresponse() as answer:
        yield answer


def test_files_come_whole_and_in_pieces(tmp_path: Path) -> None:
    with shelf(tmp_path) as desk, client(desk) as asking:
        whole = asking.get(f"{AT}/packs/whole.pack")
        assert (whole.status_code, whole.content) == (200, CONTENT)
        assert whole.headers["accept-ranges"] == "bytes"
        assert whole.headers["content-length"] == str(len(CONTENT))
        etag = whole.headers["etag"]
        rest = asking.get(f"{AT}/packs/whole.pack", headers={"Range": "bytes=1000000-", "If-Range": etag})
        assert (rest.status_code, rest.content) == (206, CONTENT[1_000_000:])
        assert rest.headers["content-range"] == f"bytes 1000000-{len(CONTENT) - 1}/{len(CONTENT)}"
        some = asking.get(f"{AT}/packs/whole.pack", headers={"Range": "bytes=5-9"})
        assert (some.status_code, some.content) == (206, CONTENT[5:10])
        beyond = asking.get(f"{AT}/packs/whole.pack", headers={"Range": f"bytes={len(CONTENT)}-"})
        assert beyond.status_code == 416
        head = asking.head(f"{AT}/packs/whole.pack")
        assert (head.status_code, head.headers["etag"], head.content) == (200, etag, b"")
        assert asking.get(f"{AT}/packs/{BASE}.pack").content == b"small"
        assert asking.get(f"{AT}/index.json").content == b"{}"
        assert asking.get(f"{AT}/release.json").content == b"{ }"


def test_a_file_that_became_another_comes_whole(tmp_path: Path) -> None:
    with shelf(tmp_path) as desk, client(desk) as asking:
        etag = asking.head(f"{AT}/packs/{BASE}.pack").headers["etag"]
        (desk.folder / "releases" / ID / f"packs/{BASE}.pack").write_bytes(b"another")
        headers = {"Range": "bytes=2-", "If-Range": etag}
        answer = asking.get(f"{AT}/packs/{BASE}.pack", headers=headers)
        assert (answer.status_code, answer.content) == (200, b"another")


def test_nothing_else_is_served(tmp_path: Path) -> None:
    targets = [
        *("/v1/releases", "/v1/releases/", AT, f"{AT}/", f"{AT}/packs", f"{AT}/packs/", f"{AT}/notes.txt"),
        *(f"{AT}/packs/none.pack", f"{AT}/packs/{'0' * 16}.pack", f"/v1/releases/{'0' * 16}/index.json"),
        *(f"/v1/releases/{ID.upper()}/index.json", f"/v1/releases/{ID}%0a/index.json", f"{AT}/index.json/"),
        f"{AT}/packs/../../../secret.pack",
        f"{AT}/packs/..%2f..%2f..%2fsecret.pack",
        f"{AT}/packs/%2e%2e/%2e%2e/%2e%2e/secret.pack",
        f"{AT}/packs/..%5c..%5c..%5csecret.pack",
        f"{AT}/packs/%2fetc%2fpasswd",
        f"{AT}/packs/whole.pack%00",
        f"{AT}/packs/whole%00.pack",
        f"{AT}/packs/{BASE}%0a.pack",
        f"{AT}//packs/whole.pack",
        "/v1/releases/../secret.pack",
        "/v1/releases/%2e%2e/index.json",
        "/v1/releases/../../../../../../etc/passwd",
        "/v1/releases//etc/passwd",
    ]
    with shelf(tmp_path, "requests_per_minute = 1000\n") as desk:
        for target in targets:
            with raw(desk, target) as answer:
                assert answer.status == 404, target
                assert answer.headers["content-type"] == "application/problem+json", target
                assert answer.read() != b"secret", target


def test_nothing_is_taken(tmp_path: Path) -> None:
    with shelf(tmp_path) as desk, client(desk) as asking:
        for method in ("POST", "PUT", "DELETE"):
            assert asking.request(method, f"{AT}/index.json", content=b"x").status_code == 405
        assert asking.get(f"{AT}/index.json").content == b"{}"


def test_who_fetches_leaves_room_for_who_enrols(tmp_path: Path) -> None:
    with shelf(tmp_path, "downloads = 1\n") as desk, client(desk) as asking:
        with asking.stream("GET", f"{AT}/packs/whole.pack") as slow:
            parts = slow.iter_raw()  # closed when nobody has it any more
            next(parts)
            with client(desk) as other:
                busy = other.get(f"{AT}/index.json")
                assert (busy.status_code, busy.headers["retry-after"]) == (503, "60")
                nonce = other.post("/api/v1/renew/nonce", json={"name": "acme/north/edge-1"})
                assert nonce.status_code == 200
        assert admitted(desk), "a download that was given up still counts"


def admitted(desk: Counter) -> bool:
    """Ask for a small file until it is sent; False where it is not for a minute."""
    for _ in range(600):
        # A connection of its own each time, which may be let go before it has asked.
        with suppress(httpx.TransportError), client(desk) as asking:
            if asking.get(f"{AT}/index.json").status_code == 200:
                return True
        time.sleep(0.1)
    return False


def test_who_reads_nothing_keeps_nobody_out_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LONGEST_S", 0.2)
    monkeypatch.setattr(connection, "WINDOW_S", 0.5)
    settings = "downloads = 1\nrequests_per_minute = 1000\n"
    with shelf(tmp_path, settings) as desk, raw(desk, f"{AT}/packs/whole.pack"):
        assert admitted(desk)


def test_one_address_has_a_share_of_the_downloads(tmp_path: Path) -> None:
    settings = "downloads = 2\ndownloads_per_address = 1\n"
    proxies = '[serve]\ntrusted_proxies = ["127.0.0.0/8"]\n'
    with shelf(tmp_path, settings, proxies) as desk, client(desk) as first, client(desk) as second:
        greedy, other = {"X-Forwarded-For": "203.0.113.7"}, {"X-Forwarded-For": "203.0.113.8"}
        with first.stream("GET", f"{AT}/packs/whole.pack", headers=greedy) as slow:
            parts = slow.iter_raw()
            next(parts)
            busy = second.get(f"{AT}/index.json", headers=greedy)
            assert (busy.status_code, busy.headers["retry-after"]) == (503, "60")
            assert "1 files are being sent to 203.0.113.7" in busy.json()["detail"]
            assert second.get(f"{AT}/index.json", headers=other).status_code == 200


def test_a_pace_is_judged_by_whole_windows() -> None:
    pace = Pace(32, 300, 1000.0)
    assert pace.is_kept(0, 1299.0)  # a link that is away for less
    assert pace.is_kept(9600, 1300.0)
    assert pace.is_kept(9600, 1590.0)
    assert pace.is_kept(20_000, 1601.0)
    assert pace.is_kept(20_000 + 64 * 310, 1911.0)  # the slowest that a device can be set to
    assert not pace.is_kept(20_000 + 64 * 310 + 9000, 2211.0)


def test_downloads_have_a_rate_of_their_own(tmp_path: Path) -> None:
    with shelf(tmp_path, "requests_per_minute = 0.01\n") as desk, client(desk) as asking:
        assert asking.get(f"{AT}/index.json").status_code == 200
        assert asking.get(f"{AT}/index.json").status_code == 429
        assert asking.post("/api/v1/renew/nonce", json={"name": "acme/north/edge-1"}).status_code == 200
        assert asking.post("/api/v1/renew/nonce", json={"name": "acme/north/edge-1"}).status_code == 429


def test_a_slow_download_goes_on_when_others_are_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LONGEST_S", 1.0)  # within which a busy machine begins to answer
    with shelf(tmp_path) as desk, raw(desk, f"{AT}/packs/whole.pack") as answer:
        time.sleep(2.5)
        assert answer.read() == CONTENT


def test_no_download_lasts_for_ever_and_the_rest_is_fetched_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LONGEST_S", 0.2)
    monkeypatch.setattr(connection, "LONGEST_DOWNLOAD_S", 0.2)
    with shelf(tmp_path) as desk:
        got = bytearray()
        let_go = (http.client.IncompleteRead, OSError)  # perhaps before it has asked
        with suppress(*let_go), raw(desk, f"{AT}/packs/whole.pack") as answer:
            time.sleep(1)
            while part := answer.read(65_536):
                got += part
        assert len(got) < len(CONTENT)
        monkeypatch.undo()
        with client(desk) as asking:
            rest = asking.get(f"{AT}/packs/whole.pack", headers={"Range": f"bytes={len(got)}-"})
        assert bytes(got) + rest.content == CONTENT


def test_without_a_folder_there_are_no_releases(tmp_path: Path) -> None:
    with counter(tmp_path / "cloud") as desk, desk.open(), client(desk) as asking:
        assert asking.get(f"{AT}/index.json").status_code == 404


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with counter(tmp_path / "cloud") as desk:
        text = desk.settings.read_text().replace("[enrolment]", '[enrolment]\nreleases = "none"')
        desk.settings.write_text(text)
        with pytest.raises(ConfigError, match=r"enrolment\.releases: .*none: is no folder"):
            application(load(desk.settings), desk.store)
