"""Who gets in: everyone on this machine, or whoever has a token.

address within its rate? -> credential -> whose? -> within its rate? -> sent by our own page?
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Protocol

from fastapi.concurrency import run_in_threadpool

from cloud.access.asks import too_many
from cloud.access.declare import CHALLENGE
from cloud.access.keeper import Credential, Keeper
from cloud.access.origin import Origin, is_own, names_loopback, origin_of
from cloud.access.rates import Meter, Quota, Reading
from cloud.access.roles import OWNER, Caller
from cloud.clock import Clock, steady_ms
from cloud.config_serve import Network, Serve
from cloud.problems import UNAUTHENTICATED, Kind, ProblemError

CROSS_SITE = Kind(
    "cross-site", 403, "Sent by another site",
    "Browsers may do this from our own page only; programs use a token.",
)  # fmt: skip
WRONG_HOST = Kind(
    "wrong-host", 421, "Not for this name",
    'Use the address that is named, or set serve.access = "token" to be reached by another.',
)  # fmt: skip
_SAFE = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Asker:
    """What is known of a request before anyone is asked. Names of `headers` are in small letters."""

    method: str
    path: str
    peer: str
    scheme: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pass:
    """What a request goes on with; `caller` is None for someone unknown, who gets what is public."""

    caller: Caller | None
    origin: Origin
    credential: Credential | None = None
    readings: Sequence[Reading] = field(default_factory=tuple)


class Door(Protocol):
    """Lets requests in, and tells whether those that have been let in may stay."""

    async def admit(self, asker: Asker) -> Pass:
        """Let a request in, or raise ProblemError, StoreError."""

    async def still(self, passed: Pass) -> bool:
        """Tell whether a connection may go on."""


class OpenDoor:
    """Everyone on this machine is its owner, but neither names nor pages of other sites."""

    async def admit(self, asker: Asker) -> Pass:
        host = asker.headers.get("host", "")
        if not names_loopback(host):
            told = f"{host!r} is not this machine's loopback, which is all that is open"
            raise ProblemError(WRONG_HOST, told)
        _refuse_foreign(asker)
        return Pass(OWNER, origin_of(asker.peer, asker.scheme, asker.headers, ()))

    async def still(self, passed: Pass) -> bool:
        return passed.caller is OWNER


class TokenDoor:
    """Whoever has a token, or has logged in with one."""

    def __init__(self, serve: Serve, keeper: Keeper, clock: Clock = steady_ms) -> None:
        rates = serve.rates
        self.keeper = keeper
        self.failures = Meter(
            Quota("failures", rates.failures_per_minute / 60, max(1, rates.failures_per_minute))
        )
        self._proxies: tuple[Network, ...] = serve.proxies
        self._addresses = Meter(Quota("address", rates.address_requests_per_s, rates.address_burst))
        self._tokens = Meter(Quota("requests", rates.requests_per_s, rates.burst))
        self._clock = clock

    async def admit(self, asker: Asker) -> Pass:
        origin = origin_of(asker.peer, asker.scheme, asker.headers, self._proxies)
        of_address = self._addresses.take(origin.address, self._clock())
        if not of_address.passed:
            raise too_many(of_address, f"{origin.address} asks too often")
        credential = credential_of(asker.headers, origin)
        caller = None if credential is None else await self._caller(credential, origin)
        if caller is None or credential is None:
            if asker.method not in _SAFE:  # nobody is to be logged in by another site
                _refuse_foreign(asker)
            return Pass(None, origin, readings=[of_address])
        of_token = self._tokens.take(caller.token_id or caller.name, self._clock())
        if not of_token.passed:
            raise too_many(of_token, f"{caller.name!r} asks too often")
        if credential.is_cookie:
            _refuse_foreign(asker)
            _refuse_unsaid(asker)
        return Pass(caller, origin, credential, [of_token])

    async def still(self, passed: Pass) -> bool:
        credential = passed.credential
        if credential is None:
            return False
        if self.keeper.recalled(credential) is not None:
            return True
        return await run_in_threadpool(self.keeper.caller, credential) is not None

    def check_failures(self, origin: Origin) -> None:
        """Raise ProblemError if an address has tried too much that was no token."""
        reading = self.failures.take(origin.address, self._clock(), 0)
        if not reading.passed:
            raise too_many(reading, f"{origin.address} has tried too many tokens that are not valid")

    def count_failure(self, origin: Origin) -> None:
        """Note that what an address brought was no token."""
        self.failures.take(origin.address, self._clock())

    async def _caller(self, credential: Credential, origin: Origin) -> Caller | None:
        """Tell whose a credential is; None for a cookie that is no longer valid. Raises ProblemError."""
        known = self.keeper.recalled(credential)
        if known is not None or credential.is_cookie:
            return known or await run_in_threadpool(self.keeper.caller, credential)
        self.check_failures(origin)
        caller = await run_in_threadpool(self.keeper.caller, credential)
        if caller is None:
            self.count_failure(origin)
            told = "this token is not valid: it is mistyped, expired or revoked"
            raise ProblemError(UNAUTHENTICATED, told, headers=CHALLENGE)
        return caller


def cookie_name(origin: Origin) -> str:
    """Name the cookie; browsers give one that begins so to nobody but the host that set it, over TLS."""
    return "__Host-mirage" if origin.is_secure else "mirage"


def credential_of(headers: Mapping[str, str], origin: Origin) -> Credential | None:
    """Give what a request brings: a token before a cookie."""
    kind, _, text = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return Credential(text.strip()[:200], is_cookie=False)
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return None
    found = cookies.get(cookie_name(origin))
    return None if found is None else Credential(found.value[:200], is_cookie=True)


def _refuse_foreign(asker: Asker) -> None:
    """Raise ProblemError if a page of another site sent this: its browser brings our cookie, or is here."""
    origin = asker.headers.get("origin")
    if origin is not None and not is_own(origin, asker.headers.get("host", "")):
        raise ProblemError(CROSS_SITE, f"this was sent by {origin}")


def _refuse_unsaid(asker: Asker) -> None:
    """Raise ProblemError if a change does not say which site sent it: all browsers of today do."""
    if asker.method not in _SAFE and "origin" not in asker.headers:
        raise ProblemError(CROSS_SITE, "this does not say which site sent it (Origin)")
