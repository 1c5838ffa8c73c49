"""Mutual TLS: the broker proves itself to us, and we to the broker."""

import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from edge.transport import certificate_bytes

_OPENSSL = re.compile(r"\[SSL: ([A-Z0-9_]+)\].*", re.DOTALL)
_SOURCE = re.compile(r" \(_ssl\.c:\d+\)")


class TlsError(ValueError):
    """A file cannot be used for TLS; `file` is its path and `reason` says why."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.file = file
        self.reason = reason


class _Socket(ssl.SSLSocket):
    """Closes itself where the handshake fails: paho would leave it open."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 (as the base class has it)
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


@dataclass(frozen=True, slots=True)
class Tls:
    """Paths of PEM files: who signs the broker's certificate, and our own certificate and key, if any."""

    ca: str
    certificate: str | None = None
    key: str | None = None

    @property
    def shown_bytes(self) -> int:
        """Size of the certificates that the broker gets to see."""
        return 0 if self.certificate is None else certificate_bytes(Path(self.certificate))

    def context(self) -> ssl.SSLContext:
        """Read the files, or raise TlsError. At each connection: a renewed certificate needs no restart."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks the broker's certificate and its name
        context.sslsocket_class = _Socket
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_verify_locations(self.ca)
        except OSError as error:
            raise TlsError(self.ca, reason_of(error, "is no PEM file of certificates")) from error
        if self.certificate is not None:
            self._load(context, self.certificate)
        return context

    def _load(self, context: ssl.SSLContext, certificate: str) -> None:
        try:
            context.load_cert_chain(certificate, self.key, password="")  # else it would ask
        except OSError as error:
            wrong = f"is no certificate in PEM of the key {self.key}"
            raise TlsError(certificate, reason_of(error, wrong)) from error


def reason_of(error: OSError, otherwise: str = "") -> str:
    """Say what went wrong on the way to a connection, without the names of OpenSSL's source files.

    `otherwise` is said for files in which OpenSSL finds nothing to name.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate of the broker is refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return otherwise or without_source(str(error))
    return error.strerror or str(error)


def without_source(text: str) -> str:
    """Shorten what OpenSSL says in a longer text.

    >>> without_source("failed: [SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert ... (_ssl.c:2580)")
    'failed: TLS: tlsv13 alert certificate required'
    """
    return _SOURCE.sub("", _OPENSSL.sub(lambda found: f"TLS: {found[1].replace('_', ' ').lower()}", text))
