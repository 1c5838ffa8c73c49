"""Keys of one connection: drawn by the device, wrapped for the cloud, one for each direction.

    secret (32 B, random) --HPKE for the cloud's public key--> `wrapped_key` in the birth
       |-- HKDF "up"   --> key of `sem` and `telemetry`
       '-- HKDF "down" --> key of `ack` and `cmd`

HPKE as in RFC 9180: X25519, HKDF-SHA256, ChaCha20-Poly1305, base mode. It authenticates nobody: that the
birth is the device's own says its signature (wire/signature.py). What is wrapped is bound to the birth's
topic, boot and key id, so that it opens nowhere else.
"""

import base64
import binascii
from typing import TYPE_CHECKING

from wire.envelope import KEY_BYTES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.hpke import Suite

SECRET_BYTES = 32
LAST_KEY_ID = 255  # 0 says that a frame is not sealed
_WRAPPED_BYTES = 32 + SECRET_BYTES + 16  # encapsulated key, ciphertext, tag
_PURPOSE = b"mirage/v1 connection key"


class SecretError(ValueError):
    """A key, or what is wrapped with it, cannot be used."""


def context_of(birth_topic: str, boot_hex: str, key_id: int) -> bytes:
    """Say what a wrapped secret is for; both sides must say the same."""
    return b"\0".join((_PURPOSE, birth_topic.encode(), boot_hex.encode(), bytes((key_id,))))


def wrap(secret: bytes, cloud: "X25519PublicKey", context: bytes) -> str:
    """Seal a secret so that only the cloud reads it: 107 characters of base64url."""
    return _text(_suite().encrypt(_checked(secret), cloud, info=context))


def unwrap(wrapped: str, cloud: "X25519PrivateKey", context: bytes) -> bytes:
    """Give the secret that was wrapped in this context, or raise SecretError."""
    from cryptography.exceptions import InvalidTag

    try:
        sealed = base64.b64decode(wrapped + "=" * (-len(wrapped) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:  # ValueError: not ASCII
        raise SecretError(f"wrapped key is no base64url: {error}") from error
    if len(sealed) != _WRAPPED_BYTES:
        raise SecretError(f"wrapped key has {len(sealed)} bytes, expected {_WRAPPED_BYTES}")
    if _text(sealed) != wrapped:
        raise SecretError("wrapped key is not written in its one form")
    try:
        return _suite().decrypt(sealed, cloud, info=context)
    except (InvalidTag, ValueError) as error:  # ValueError: a point of low order
        raise SecretError("wrapped key is for another cloud key, topic, boot or key id") from error


def up(secret: bytes) -> bytes:
    """Give the key of what the device sends."""
    return _derived(secret, b"up")


def down(secret: bytes) -> bytes:
    """Give the key of what the cloud sends."""
    return _derived(secret, b"down")


def next_key_id(key_id: int) -> int:
    """Give the id of the key after this one: 1 to 255, then again."""
    return key_id % LAST_KEY_ID + 1


def _text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _derived(secret: bytes, direction: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

    # Expand alone: the secret is uniform already.
    return HKDFExpand(SHA256(), KEY_BYTES, _PURPOSE + b"\0" + direction).derive(_checked(secret))


def _checked(secret: bytes) -> bytes:
    if len(secret) != SECRET_BYTES:
        raise SecretError(f"secret has {len(secret)} bytes, expected {SECRET_BYTES}")
    return secret


def _suite() -> "Suite":
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
