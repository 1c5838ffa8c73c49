"""Asks the cloud for certificates: HTTPS to an address that our own authority vouches for, and to no other.

A board without a battery wakes up in 1970, when no certificate is valid yet. Where this clock is before the
authority's first day it is surely wrong, so times of the server's certificate are not judged by it then.
"""

import http.client
import ssl
import urllib.error
import urllib.request
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec
from cryptography.x509 import Certificate
from msgspec import Struct

MAX_ANSWER = 65_536
_TIMEOUT_S = 30
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL, for which Python's ssl has no name
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_Answer = TypeVar("_Answer", bound=Struct)


class RefusedError(RuntimeError):
    """The cloud says no, for a reason that asking again does not change."""


class UnreachableError(RuntimeError):
    """There is no answer now; later there may be. `wait_s` is what the cloud asked for, if it did."""

    def __init__(self, message: str, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class Granted(Struct, frozen=True):
    """What comes with a certificate; the cloud may say more."""

    certificate: str
    ca: str
    cloud_key: str
    cameras: list[str]
    ends_ms: int
    renew_ms: int
    now_ms: int


class Challenge(Struct, frozen=True):
    """What the next renewal has to be signed for."""

    nonce: str
    now_ms: int


class Credential(Struct, frozen=True):
    """What a TPM activates: TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET."""

    id_object: bytes
    encrypted_secret: bytes


class Invitation(Struct, frozen=True):
    """Half of a claim; the other is in the credential."""

    ticket: str
    credential: Credential


class _Problem(Struct, frozen=True):
    detail: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Client:
    """Asks below one address, over TLS with one authority."""

    base: str
    ca_pem: str
    ca: Certificate

    def enrol(self, claim: str, request: bytes, now: datetime) -> Granted:
        """Change a claim for a certificate. Raises RefusedError, UnreachableError."""
        return self._ask("enrol", {"claim": claim, "request": request.decode()}, Granted, now)

    def invite(self, request: bytes, ek: bytes, ak: bytes, now: datetime) -> Invitation:
        """Ask for a claim that a TPM reads, by its public keys. Raises RefusedError, UnreachableError."""
        body = {"request": request.decode(), "ek": b64encode(ek).decode(), "ak": b64encode(ak).decode()}
        return self._ask("enrol/tpm", body, Invitation, now)

    def challenge(self, name: str, now: datetime) -> Challenge:
        """Get a nonce. Raises RefusedError, UnreachableError."""
        return self._ask("renew/nonce", {"name": name}, Challenge, now)

    def renew(self, name: str, nonce: str, signature: str, now: datetime) -> Granted:
        """Get the next certificate. Raises RefusedError, UnreachableError."""
        return self._ask("renew", {"name": name, "nonce": nonce, "signature": signature}, Granted, now)

    def _ask(self, path: str, body: dict[str, str], kind: type[_Answer], now: datetime) -> _Answer:
        url = f"{self.base}/{path}"
        headers = {"Content-Type": "application/json", "User-Agent": "mirage-edge"}
        request = urllib.request.Request(url, msgspec.json.encode(body), headers)  # noqa: S310 -- the settings let http and https through
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=trusting(self.ca_pem, self.ca, now)),
            _NoRedirect(),
        )
        try:
            with opener.open(request, timeout=_TIMEOUT_S) as answer:
                data = answer.read(MAX_ANSWER)
            return msgspec.json.decode(data, type=kind)
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(url, error) from error
        except urllib.error.URLError as error:
            raise UnreachableError(f"{url}: {_reason(error)}") from error
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(f"{url}: {error or type(error).__name__}") from error
        except msgspec.DecodeError as error:
            raise UnreachableError(f"{url}: the answer is not understood: {error}") from error


def trusting(ca_pem: str, ca: Certificate, now: datetime) -> ssl.SSLContext:
    """Trust one authority, and none but it; before its first day, whatever the certificate's times say."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=ca_pem)
    if now < ca.not_valid_before_utc:
        context.verify_flags |= _NO_CHECK_TIME
    return context


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nobody: a claim is for one address."""

    def redirect_request(self, *_: object) -> None:
        """Give up; the answer is then an error."""


def _refusal(url: str, error: urllib.error.HTTPError) -> Exception:
    try:
        problem = msgspec.json.decode(error.read(MAX_ANSWER), type=_Problem)
    except (msgspec.DecodeError, OSError, http.client.HTTPException):
        problem = _Problem()
    told = f"{url}: {error.code} {problem.detail or problem.title or error.reason}"
    if error.code not in _AGAIN:
        return RefusedError(told)
    wait = error.headers.get("Retry-After", "")
    return UnreachableError(told, min(float(wait), 3600.0) if wait.isdigit() else 0.0)


def _reason(error: urllib.error.URLError) -> str:
    reason = error.reason
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"certificate of the cloud is refused: {reason.verify_message}"
    return str(reason)
