"""Enrolment, as the settings say: the authority's files, the registrar, and where it listens."""

import socket
import threading
from pathlib import Path

import uvicorn
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509 import load_pem_x509_crl
from starlette.types import ASGIApp

from cloud.authority import Authority
from cloud.certificate import AuthorityError, certificate_of
from cloud.config import Config, ConfigError
from cloud.config_enrolment import EnrolmentSettings
from cloud.identity.certificates import Issuer
from cloud.identity.connection import brief
from cloud.identity.registrar import Registrar
from cloud.identity.routes import Releases, Told, enrolment_app
from cloud.private_key import read_private
from cloud.serve import listen
from cloud.store import Store

_MOST_AT_ONCE = 256  # connections; who comes beyond is told to come again
_IDLE_S = 10


def settings_of(config: Config) -> EnrolmentSettings:
    """Give the settings of enrolment, or raise ConfigError."""
    if config.enrolment is None:
        raise ConfigError(
            "there is no [enrolment] in the settings: it names the authority (ca, key) and the broker "
            "(broker_host); deploy/cloud.example.toml has an example"
        )
    return config.enrolment


def read_authority(settings: EnrolmentSettings, credentials: str | None = None) -> Authority:
    """Read the authority's certificate and key, or raise ConfigError."""
    key = _signing_key(settings.key, credentials)
    try:
        return Authority(certificate_of(_read(settings.ca)), key)
    except AuthorityError as error:
        raise ConfigError(f"enrolment.ca: {settings.ca}: {error}") from error


def listed_serials(settings: EnrolmentSettings, authority: Authority) -> set[int]:
    """Read what another list of the same authority revokes, or raise ConfigError."""
    if settings.revoked is None:
        return set()
    try:
        found = load_pem_x509_crl(_read(settings.revoked))
    except ValueError as error:
        raise ConfigError(f"enrolment.revoked: {settings.revoked}: no list of revocations in PEM") from error
    if not found.is_signature_valid(authority.key.public_key()):
        raise ConfigError(f"enrolment.revoked: {settings.revoked}: is not of the authority {settings.ca}")
    return {each.serial_number for each in found}


def application(config: Config, store: Store, credentials: str | None = None) -> ASGIApp:
    """Make the application that the settings ask for. Raises ConfigError."""
    settings = settings_of(config)
    issuer = Issuer(read_authority(settings, credentials), settings.certificate_days)
    ca, cloud_key = _read(settings.ca).decode(), _public_key(settings.cloud_key)
    told = Told(ca, cloud_key, settings.broker_host, settings.broker_port)
    registrar = Registrar(store, issuer, settings.grace_days)
    releases = None
    if settings.releases is not None:
        if not Path(settings.releases).is_dir():
            raise ConfigError(f"enrolment.releases: {settings.releases}: is no folder")
        releases = Releases(Path(settings.releases), settings.downloads, settings.downloads_per_address)
    return enrolment_app(
        registrar, told, settings.requests_per_minute, config.serve.proxies, releases=releases
    )


class Office:
    """Listens for devices from its making on; `run` serves them until it is told to stop."""

    def __init__(self, settings: EnrolmentSettings, app: ASGIApp) -> None:
        """Read TLS's files and open the socket. Raises ConfigError, ServeError."""
        self._config = uvicorn.Config(
            app,
            http=brief(settings.download_bytes_per_s),
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_MOST_AT_ONCE + (settings.downloads if settings.releases else 0),
            timeout_keep_alive=_IDLE_S,
            timeout_graceful_shutdown=1,
            ssl_certfile=settings.certificate,
            ssl_keyfile=settings.certificate_key,
        )
        try:
            self._config.load()
        except OSError as error:
            raise ConfigError(f"enrolment.certificate: {settings.certificate}: {error}") from error
        self._listening: socket.socket = listen(settings.host, settings.port)

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop`."""
        server = uvicorn.Server(self._config)

        def watch() -> None:
            stop.wait()
            server.should_exit = True

        threading.Thread(target=watch, name="enrolment-stop", daemon=True).start()
        server.run(sockets=[self._listening.dup()])

    def close(self) -> None:
        self._listening.close()


def _signing_key(name: str, credentials: str | None) -> EllipticCurvePrivateKey:
    path, data = read_private(name, credentials, "enrolment.key")
    try:
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"enrolment.key: {path}: no private key in PEM without a password") from error
    if not isinstance(key, EllipticCurvePrivateKey):
        raise ConfigError(f"enrolment.key: {path}: not a key of the curve P-256")
    return key


def _public_key(name: str) -> str:
    data = _read(name)
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"enrolment.cloud_key: {name}: no public key in PEM") from error
    if not isinstance(key, X25519PublicKey):
        raise ConfigError(f"enrolment.cloud_key: {name}: not an X25519 key")
    return data.decode()


def _read(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise ConfigError(f"enrolment: {name}: {error.strerror or error}") from error
