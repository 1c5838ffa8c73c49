"""GET over one HTTP connection at a time, and what that takes of the link.

The server proves itself with a certificate of our authority, we to it with ours, if it asks. No redirect is
followed, no proxy asked. Bytes are those of IP in both directions, where the kernel tells, else an estimate.
"""

import http.client
import os
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import structlog
from cryptography.x509 import Certificate, load_pem_x509_certificate

from edge.enrolment_client import RefusedError, UnreachableError, trusting
from edge.tls import reason_of
from edge.transport import (
    arrived_by,
    attempt_bytes,
    carried_by,
    closing_bytes,
    connection_bytes,
    message_bytes,
)
from edge.update.settings import UpdateConfig, UpdateConfigError

TIMEOUT_S = 30.0  # without a byte
_AGAIN = frozenset({408, 416, 425, 429, 500, 502, 503, 504})
_MAX_WAIT_S = 3600.0
_SERVER_HELLO = 4096  # bytes of what a server says of itself, where the kernel does not count
_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18})")
_LENGTH = re.compile(r"[0-9]{1,18}")
_RECEIVE_BUFFER = 65_536  # of the kernel, where a rate is kept: so much comes unasked

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Place:
    """What comes is of a file of `size` bytes (None: not said), from `start` on; `etag`: a strong one."""

    start: int
    size: int | None
    etag: str | None


class Answer:
    """One answer, as it comes in; `probe` is the connection, for what the kernel counts."""

    def __init__(self, response: http.client.HTTPResponse, probe: socket.socket, *, secure: bool) -> None:
        self._response = response
        self._probe = probe
        self._is_secure = secure
        self.read_bytes = 0
        self.status = response.status
        self.place = _place(response)

    def read(self, most: int) -> bytes:
        """Give what is there, at least a byte; nothing at the end. Raises UnreachableError."""
        try:
            part = self._response.read1(most)
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(f"the link broke: {_reason(error)}") from error
        self.read_bytes += len(part)
        return part

    def cost(self) -> int:
        """Count the connection so far, as bytes of IP, both ways."""
        return _cost(self._probe, self.read_bytes, secure=self._is_secure)


class Client:
    """Asks below one address. `spent` are bytes of the link since it was made."""

    def __init__(self, config: UpdateConfig) -> None:
        """Read the authority. Raises UpdateConfigError."""
        parts = urlsplit(config.url)
        self._host, self._port, self._path = parts.hostname or "", parts.port, parts.path.rstrip("/")
        self._identity = Path(config.identity)
        self._is_paced = config.bytes_per_s is not None
        self._authority = _authority(Path(config.ca)) if parts.scheme == "https" else None
        self._closed = 0
        self._answer: Answer | None = None

    @property
    def spent(self) -> int:
        return self._closed + (0 if self._answer is None else self._answer.cost())

    @contextmanager
    def get(self, path: str, start: int = 0, etag: str | None = None) -> Iterator[Answer]:
        """Ask for a file from `start` on, if it is still `etag`; the answer is 200 or 206.

        Raises UnreachableError; RefusedError where asking again does not help.
        """
        where = f"{self._host}{self._path}/{path}"
        connection = self._connected(where)
        secure = self._authority is not None
        with connection.sock, socket.socket(fileno=os.dup(connection.sock.fileno())) as probe:
            try:
                with self._asked(connection, path, start, etag) as response:
                    self._answer = Answer(response, probe, secure=secure)
                    yield self._answer
            except http.client.HTTPException as error:
                raise UnreachableError(f"{where}: {_reason(error)}") from error
            finally:
                read = 0 if self._answer is None else self._answer.read_bytes
                self._closed += _cost(probe, read, secure=secure)
                self._answer = None
                connection.close()

    def _connected(self, where: str) -> http.client.HTTPConnection:
        connection = self._connection()
        began_s = monotonic()
        try:
            connection.connect()
        except OSError as error:
            self._closed += attempt_bytes(monotonic() - began_s)
            if isinstance(error, ssl.SSLError):
                self._closed += connection_bytes(0) + _SERVER_HELLO
            connection.close()
            raise UnreachableError(f"{where}: {_reason(error)}") from error
        if self._is_paced:
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        return connection

    def _connection(self) -> http.client.HTTPConnection:
        if self._authority is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        pem, ca = self._authority
        context = trusting(pem, ca, datetime.now(timezone.utc))
        certificate, key = self._identity / "device.pem", self._identity / "device.key"
        try:
            context.load_cert_chain(certificate, key, password="")
        except OSError as error:  # a server that wants none is reached all the same
            log.info("shows no certificate", file=str(certificate), reason=reason_of(error, "is no PEM"))
        return http.client.HTTPSConnection(self._host, self._port, timeout=TIMEOUT_S, context=context)

    def _asked(
        self, connection: http.client.HTTPConnection, path: str, start: int, etag: str | None
    ) -> http.client.HTTPResponse:
        headers = {"User-Agent": "mirage-edge", "Accept-Encoding": "identity", "Connection": "close"}
        if start:
            headers["Range"] = f"bytes={start}-"
            headers |= {"If-Range": etag} if etag else {}
        where = f"{self._host}{self._path}/{path}"
        try:
            connection.request("GET", f"{self._path}/{path}", headers=headers)
            response = connection.getresponse()
        except OSError as error:
            raise UnreachableError(f"{where}: {_reason(error)}") from error
        if response.status not in (http.client.OK, http.client.PARTIAL_CONTENT):
            with response:
                raise _refusal(where, response)
        return response


def _cost(probe: socket.socket, read: int, *, secure: bool) -> int:
    up, down = carried_by(probe), arrived_by(probe)
    if up is not None and down is not None:
        return up.ip_bytes + down.ip_bytes + closing_bytes()
    opened = connection_bytes(0 if secure else None) + _SERVER_HELLO * secure
    return opened + read + message_bytes(read, tls=secure, answered=True)


def _place(response: http.client.HTTPResponse) -> Place:
    etag = response.headers.get("ETag", "")
    strong = etag if etag.startswith('"') else None
    if response.status == http.client.PARTIAL_CONTENT:
        said = response.headers.get("Content-Range", "")
        found = _RANGE.fullmatch(said)
        if found is None:
            raise RefusedError(f"the server sends a part, and Content-Range {said!r} does not say which")
        return Place(int(found[1]), int(found[2]), strong)
    length = response.headers.get("Content-Length", "")
    return Place(0, int(length) if _LENGTH.fullmatch(length) else None, strong)


def _refusal(where: str, response: http.client.HTTPResponse) -> Exception:
    told = f"{where}: {response.status} {response.reason}"
    if response.status not in _AGAIN:
        return RefusedError(told)
    wait = response.headers.get("Retry-After", "")
    return UnreachableError(told, min(float(wait), _MAX_WAIT_S) if _LENGTH.fullmatch(wait) else 0.0)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate of the server is refused: {error.verify_message}"
    if isinstance(error, OSError):
        return reason_of(error) or type(error).__name__
    return str(error) or type(error).__name__


def _authority(path: Path) -> tuple[str, Certificate]:
    try:
        pem = path.read_bytes()
        return pem.decode("ascii"), load_pem_x509_certificate(pem)
    except OSError as error:
        raise UpdateConfigError(f"update.ca: {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise UpdateConfigError(f"update.ca: {path}: is no certificate in PEM") from error
