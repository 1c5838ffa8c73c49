"""Where devices ask for certificates: an application of its own, apart from API and page.

POST /api/v1/enrol          {"claim", "request"}              -> certificate, and what the device must know
POST /api/v1/enrol/tpm      {"request", "ek", "ak"}           -> half of a claim, credential
POST /api/v1/renew/nonce    {"name"}                          -> nonce
POST /api/v1/renew          {"name", "nonce", "signature"}    -> as enrol
GET  /v1/releases/...       what devices run, where there is a folder of it (cloud/identity/releases.py)

JSON both ways, at most 32 KiB; what is wrong is said as by the rest of the interface (cloud/problems.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from msgspec import Struct

from cloud import problems
from cloud.access.asks import too_many
from cloud.access.declare import public
from cloud.access.origin import origin_of
from cloud.access.rates import Meter, Quota
from cloud.certificate import AuthorityError
from cloud.clock import Clock, steady_ms
from cloud.config_serve import Network, is_loopback
from cloud.identity.claims import ClaimError
from cloud.identity.credential import CredentialError
from cloud.identity.registrar import Granted, RefusedError, Registrar
from cloud.identity.releases import Downloads, add_releases
from cloud.problems import INVALID, UNAVAILABLE, Kind, ProblemError
from cloud.store import StoreError

MAX_BYTES = 32_768
CLAIM_REFUSED = Kind("claim-refused", 403, "Claim refused", "`detail` says why; a new claim may be needed.")
RENEWAL_REFUSED = Kind("renewal-refused", 403, "Renewal refused", "`detail` says why.")
BAD_REQUEST = Kind(
    "certificate-request-refused", 422, "Request for a certificate refused", "`detail` says what is wrong."
)
TPM_REFUSED = Kind("tpm-refused", 422, "Keys of a TPM refused", "`detail` says what is wrong.")
TOO_LARGE = Kind("too-large", 413, "Too large", "A claim and a request take less than 2 KiB.")
NOT_SECURE = Kind("not-secure", 403, "Not over TLS", "Ask by https: claims are secrets.")

_Body = TypeVar("_Body", bound=Struct)


class Enrol(Struct, frozen=True, forbid_unknown_fields=True):
    """A claim, and a request for a certificate in PEM."""

    claim: str
    request: str


class Invite(Struct, frozen=True, forbid_unknown_fields=True):
    """A request for a certificate in PEM, the SPKI of an endorsement key in DER, an AK's TPM2B_PUBLIC."""

    request: str
    ek: bytes
    ak: bytes


class Ask(Struct, frozen=True, forbid_unknown_fields=True):
    """Who wants to renew: TENANT/SITE/DEVICE."""

    name: str


class Renew(Struct, frozen=True, forbid_unknown_fields=True):
    """A nonce that was given to this device, and its signature (wire/renewal.py)."""

    name: str
    nonce: str
    signature: str


@dataclass(frozen=True, slots=True)
class Told:
    """What each device is told with its certificate: PEM, and where the broker is."""

    ca: str
    cloud_key: str
    broker_host: str
    broker_port: int


@dataclass(frozen=True, slots=True)
class Releases:
    """Where releases lie, and how many files of them are sent at once, to all and to one address."""

    folder: Path
    at_once: int
    per_address: int


class _Desk:
    """Takes requests one by one: over TLS, within the rate of an address, within size, well formed."""

    def __init__(self, per_minute: float, proxies: Sequence[Network], clock: Clock) -> None:
        self._addresses = Meter(Quota("enrolment", per_minute / 60, max(1.0, 2 * per_minute)))
        self._proxies = proxies
        self._clock = clock

    async def admit(self, request: Request) -> str:
        """Give the address that asks; raise ProblemError of whoever does so in the clear, or too often."""
        peer = "" if request.client is None else request.client.host
        headers = dict(request.headers)
        origin = origin_of(peer, request.url.scheme, headers, self._proxies)
        if not origin.is_secure and not is_loopback(origin.address):
            raise ProblemError(NOT_SECURE, f"{origin.address} asks over plain HTTP")
        reading = self._addresses.take(origin.address, self._clock())
        if not reading.passed:
            raise too_many(reading, f"{origin.address} asks too often")
        return origin.address

    async def take(self, request: Request, kind: type[_Body]) -> _Body:
        """Read what is asked, or raise ProblemError."""
        await self.admit(request)
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > MAX_BYTES:
                raise ProblemError(TOO_LARGE, f"more than {MAX_BYTES} bytes", headers={"Connection": "close"})
        try:
            return msgspec.json.decode(data, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProblemError(INVALID, f"body: {error}", errors=[]) from error


def enrolment_app(
    registrar: Registrar,
    told: Told,
    per_minute: float,
    proxies: Sequence[Network] = (),
    clock: Clock = steady_ms,
    releases: Releases | None = None,
) -> FastAPI:
    """Make the application; `clock` counts for the rate only, which releases have for themselves."""
    app = FastAPI(
        title="Mirage enrolment", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    problems.install(
        app,
        {
            AuthorityError: BAD_REQUEST,
            ClaimError: CLAIM_REFUSED,
            CredentialError: TPM_REFUSED,
            RefusedError: RENEWAL_REFUSED,
            StoreError: UNAVAILABLE,
        },
    )
    desk = _Desk(per_minute, proxies, clock)

    @app.post("/api/v1/enrol", dependencies=[public()])
    async def enrol(request: Request) -> JSONResponse:
        asked = await desk.take(request, Enrol)
        return await _answer(lambda: registrar.redeem(asked.claim, asked.request.encode()), told)

    @app.post("/api/v1/enrol/tpm", dependencies=[public()])
    async def invite(request: Request) -> JSONResponse:
        asked = await desk.take(request, Invite)
        found = await run_in_threadpool(lambda: registrar.invite(asked.request.encode(), asked.ek, asked.ak))
        return _json(msgspec.to_builtins(found))

    @app.post("/api/v1/renew/nonce", dependencies=[public()])
    async def nonce(request: Request) -> JSONResponse:
        asked = await desk.take(request, Ask)
        return _json(msgspec.to_builtins(registrar.challenge(asked.name)))

    @app.post("/api/v1/renew", dependencies=[public()])
    async def renew(request: Request) -> JSONResponse:
        asked = await desk.take(request, Renew)
        return await _answer(lambda: registrar.renew(asked.name, asked.nonce, asked.signature), told)

    if releases is not None:
        shelf = _Desk(per_minute, proxies, clock)
        add_releases(app, releases.folder, shelf.admit, Downloads(releases.at_once, releases.per_address))
    return app


async def _answer(work: Callable[[], Granted], told: Told) -> JSONResponse:
    granted = await run_in_threadpool(work)
    return _json(
        {
            "certificate": granted.certificate.decode(),
            "ca": told.ca,
            "cloud_key": told.cloud_key,
            "broker": {"host": told.broker_host, "port": told.broker_port},
            "cameras": list(granted.cameras),
            "ends_ms": granted.ends_ms,
            "renew_ms": granted.renew_ms,
            "now_ms": granted.now_ms,
        }
    )


def _json(content: object) -> JSONResponse:
    return JSONResponse(content, headers={"Cache-Control": "no-store"})
