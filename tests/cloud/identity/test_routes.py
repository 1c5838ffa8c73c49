"""Enrolment over HTTP: what is asked wrongly, too often, or in the clear."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cloud.authority import Validity, new_authority
from cloud.config_serve import Serve
from cloud.identity import claims
from cloud.identity.certificates import Issuer
from cloud.identity.registrar import Registrar
from cloud.identity.routes import MAX_BYTES, Told, enrolment_app
from cloud.store import Store
from tests.cloud.identity.test_credential import public_area
from tests.cloud.web import serving_bare
from tests.pki import new_key
from tests.requests_for import request_for
from wire import renewal
from wire.topics import DeviceTopics

NAME = "acme/north/edge-1"
NOW = datetime.now(timezone.utc)


@contextmanager
def office(store: Store, per_minute: float = 600, proxies: tuple[str, ...] = ()) -> Iterator[httpx.Client]:
    validity = Validity(NOW - timedelta(days=2), NOW + timedelta(days=1000))
    registrar = Registrar(store, Issuer(new_authority(new_key(), "Test", validity), 90), 180)
    told = Told("CA", "KEY", "mqtt.example", 8883)
    trusted = Serve(trusted_proxies=proxies).proxies
    app = enrolment_app(registrar, told, per_minute, trusted, clock=lambda: 0)
    with serving_bare(app) as client:
        yield client


def claim_of(store: Store) -> str:
    now_ms = round(NOW.timestamp() * 1000)
    with store.write() as session:
        device = DeviceTopics("acme", "north", "edge-1")
        return claims.create(session, device, ["door"], now_ms, now_ms + 3_600_000).secret


def kind_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, str(answer.json()["type"]).rpartition("/")[2]


def test_a_device_enrols_and_renews(store: Store) -> None:
    key = new_key()
    with office(store) as http:
        body = {"claim": claim_of(store), "request": request_for(key).decode()}
        answer = http.post("/api/v1/enrol", json=body)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        told = answer.json()
        assert (told["ca"], told["cloud_key"], told["cameras"]) == ("CA", "KEY", ["door"])
        assert told["broker"] == {"host": "mqtt.example", "port": 8883}
        assert http.post("/api/v1/enrol", json=body).json()["certificate"] == told["certificate"]
        nonce = http.post("/api/v1/renew/nonce", json={"name": NAME}).json()["nonce"]
        asked = {"name": NAME, "nonce": nonce, "signature": renewal.sign(key, NAME, nonce)}
        assert http.post("/api/v1/renew", json=asked).json()["certificate"] == told["certificate"]
        assert kind_of(http.post("/api/v1/renew", json=asked)) == (403, "renewal-refused")


def test_what_is_refused_says_why(store: Store) -> None:
    claim = claim_of(store)
    request = request_for(new_key()).decode()
    with office(store) as http:

        def enrol(**body: object) -> tuple[int, str]:
            return kind_of(http.post("/api/v1/enrol", json=body))

        assert enrol(claim="mrc_x", request=request) == (403, "claim-refused")
        assert enrol(claim=claim, request="x") == (422, "certificate-request-refused")
        assert enrol(claim=claim, request=request_for(new_key(), "acme/south/edge-1").decode()) == (
            403, "claim-refused",
        )  # fmt: skip
        assert enrol(claim=claim) == (422, "invalid-request")
        assert enrol(claim=claim, request=request, more=1) == (422, "invalid-request")
        assert enrol(claim=7, request=request) == (422, "invalid-request")
        assert kind_of(http.post("/api/v1/enrol", content=b"\xff{")) == (422, "invalid-request")
        assert kind_of(http.post("/api/v1/renew/nonce", json={"name": "x" * 99})) == (
            422, "certificate-request-refused",
        )  # fmt: skip
        assert kind_of(http.get("/api/v1/segments")) == (404, "not-found"), "nothing else is here"
        assert http.post("/api/v1/enrol", json={"claim": claim, "request": request}).status_code == 200
        assert enrol(claim=claim, request=request_for(new_key()).decode()) == (403, "claim-refused")


def test_what_is_refused_of_a_tpm_says_why_and_who_asks_too_often_waits(store: Store) -> None:
    key = new_key()
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    keys = {"ek": b64encode(spki).decode(), "ak": b64encode(public_area()).decode()}
    good = {"request": request_for(key).decode(), **keys}
    with office(store, per_minute=3) as http:

        def invite(**changes: str) -> tuple[int, str]:
            return kind_of(http.post("/api/v1/enrol/tpm", json=good | changes))

        assert invite() == (403, "claim-refused")
        assert invite(ek="") == (422, "tpm-refused")
        assert invite(ak="AAAA") == (422, "tpm-refused")
        assert invite(ek="?") == (422, "invalid-request")
        assert invite(request="x") == (422, "certificate-request-refused")
        assert invite(more="x") == (422, "invalid-request")
        assert invite()[0] == 429


def test_a_body_that_is_too_large_is_not_read(store: Store) -> None:
    with office(store) as http:
        large = {"claim": "x" * MAX_BYTES, "request": ""}
        assert kind_of(http.post("/api/v1/enrol", json=large)) == (413, "too-large")

        def endless() -> Iterator[bytes]:
            for _ in range(64):
                yield b" " * 1024

        assert kind_of(http.post("/api/v1/enrol", content=endless())) == (413, "too-large")


def test_who_asks_too_often_waits(store: Store) -> None:
    with office(store, per_minute=2) as http:
        for _ in range(4):
            assert http.post("/api/v1/renew/nonce", json={"name": NAME}).status_code == 200
        refused = http.post("/api/v1/renew/nonce", json={"name": NAME})
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) == 30


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Forwarded-For": "192.0.2.7"}, 403),
        ({"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "http"}, 403),
        ({"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}, 200),
        ({}, 200),
    ],
)
def test_plain_http_is_for_the_loopback_and_what_a_proxy_had_over_tls(
    store: Store, headers: dict[str, str], status: int
) -> None:
    with office(store, proxies=("127.0.0.1",)) as http:
        answer = http.post("/api/v1/renew/nonce", json={"name": NAME}, headers=headers)
        assert answer.status_code == status
        if status == 403:
            assert kind_of(answer) == (403, "not-secure")
