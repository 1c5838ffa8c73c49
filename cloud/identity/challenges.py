"""Nonces that renewals are signed for. Nothing of them is stored until one is used.

    version time random HMAC        base64url; HMAC by a key that is derived from the authority's
    '-- 1 B 8 B  16 B   32 B

So nobody fills the store by asking for them, all processes know each other's, and they outlive a restart.
"""

import base64
import binascii
import hmac
import os
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VALID_MS = 300_000
_VERSION = b"\x01"
_HEAD = 1 + 8 + 16
_BYTES = _HEAD + 32


class ChallengeError(ValueError):
    """A nonce is not ours, or is over."""


class Challenges:
    """Makes nonces for devices, named TENANT/SITE/DEVICE, and knows them again."""

    def __init__(self, key: EllipticCurvePrivateKey) -> None:
        number = key.private_numbers().private_value.to_bytes(32, "big")
        self._secret = HKDF(SHA256(), 32, salt=None, info=b"mirage/v1 renewal nonce").derive(number)

    def make(self, name: str, now_ms: int) -> str:
        """Give a nonce that is valid for five minutes."""
        head = _VERSION + now_ms.to_bytes(8, "big") + os.urandom(16)
        return base64.urlsafe_b64encode(head + self._mac(head, name)).decode()

    def expires_ms(self, nonce: str, name: str, now_ms: int) -> int:
        """Say until when a nonce is valid, or raise ChallengeError."""
        try:
            raw = base64.b64decode(nonce.encode(), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise ChallengeError("the nonce is no base64url") from error
        head, mac = raw[:_HEAD], raw[_HEAD:]
        written_so = base64.urlsafe_b64encode(raw).decode() == nonce  # "+/" for "-_" would be another text
        if not written_so or len(raw) != _BYTES or not hmac.compare_digest(mac, self._mac(head, name)):
            raise ChallengeError("the nonce is not one that was given to this device")
        until_ms = int.from_bytes(head[1:9], "big") + VALID_MS
        if until_ms <= now_ms:
            raise ChallengeError("the nonce is over: ask for another")
        return until_ms

    def _mac(self, head: bytes, name: str) -> bytes:
        return hmac.digest(self._secret, head + name.encode(), sha256)
