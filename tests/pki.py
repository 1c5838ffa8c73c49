"""An authority, a broker's certificate and as many clients as a test needs, in a folder.

ca.pem, crl.pem, server.pem, server.key     what deploy/broker/mosquitto.conf names
NAME.pem, NAME.key                          of a client
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cloud.authority import (
    Authority,
    Validity,
    client_certificate,
    device_certificate,
    new_authority,
    revocation_list,
    server_certificate,
)
from cloud.certificate import certificate_of
from wire.topics import DeviceTopics

_MINUTE = timedelta(minutes=1)
_NOW = datetime.now(timezone.utc)
VALID = Validity(_NOW - 60 * _MINUTE, _NOW + 24 * 60 * _MINUTE)
EXPIRED = Validity(_NOW - 60 * _MINUTE, _NOW - _MINUTE)


def new_key() -> EllipticCurvePrivateKey:
    return generate_private_key(SECP256R1())


def pem_of(key: EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True)
class Credentials:
    """Files with a certificate and its key, and that key."""

    certificate: Path
    key: Path
    private_key: EllipticCurvePrivateKey


class Pki:
    """Everything is signed by one new authority, and valid for a day unless said otherwise."""

    def __init__(self, folder: Path) -> None:
        """Write authority, empty revocation list, and a server certificate for this machine's loopback."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.authority: Authority = new_authority(new_key(), "Test authority", VALID)
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self.authority.certificate.public_bytes(Encoding.PEM))
        self.revoke()
        hosts = ("localhost", "127.0.0.1")
        self._issue("server", lambda key: server_certificate(self.authority, key, hosts, VALID))

    def device(
        self, device: DeviceTopics, *, file: str | None = None, validity: Validity = VALID
    ) -> Credentials:
        """Certify a device."""
        name = file or device.device
        return self._issue(name, lambda key: device_certificate(self.authority, key, device, validity))

    def client(self, user: str, *, validity: Validity = VALID) -> Credentials:
        """Certify a role."""
        return self._issue(user, lambda key: client_certificate(self.authority, key, user, validity))

    def revoke(self, *credentials: Credentials) -> None:
        """Write the revocation list: these and no others."""
        serials = [certificate_of(each.certificate.read_bytes()).serial_number for each in credentials]
        listed = revocation_list(self.authority, serials, 1, VALID)
        (self.folder / "crl.pem").write_bytes(listed)

    def _issue(self, name: str, certify: Callable[[EllipticCurvePublicKey], bytes]) -> Credentials:
        key = new_key()
        issued = Credentials(self.folder / f"{name}.pem", self.folder / f"{name}.key", key)
        issued.certificate.write_bytes(certify(key.public_key()))
        issued.key.touch(mode=0o600)
        issued.key.write_bytes(pem_of(key))
        return issued
