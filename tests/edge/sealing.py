"""Keys of a device and of its cloud, as enrolment makes them."""

from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from edge.keys import Keys


def device_key() -> EllipticCurvePrivateKey:
    return generate_private_key(SECP256R1())


@dataclass(frozen=True)
class Secrets:
    """Both private keys; each side gets only its own."""

    device: EllipticCurvePrivateKey = field(default_factory=device_key)
    cloud: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)

    @property
    def keys(self) -> Keys:
        """What the device has."""
        return Keys(self.device, self.cloud.public_key())

    def write(self, folder: Path) -> None:
        """Write device.key and cloud.pub."""
        write_private(folder / "device.key", self.device)
        public = self.cloud.public_key()
        (folder / "cloud.pub").write_bytes(
            public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )


def write_private(path: Path, key: EllipticCurvePrivateKey | X25519PrivateKey, mode: int = 0o600) -> None:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(mode)
