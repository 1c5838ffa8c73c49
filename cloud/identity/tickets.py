"""Tickets: claims that a TPM has to read. Nothing of them is stored, so nobody fills the store by asking.

    mrt_  4f0c9a12be77  _  1790000600000  _  hM3v…     the claim's id, until when (ms), HMAC in base64url
      '------------- sent in the clear          '-- sent as a credential (cloud/identity/credential.py)

The HMAC is over both and over the key that asked: a ticket is of no use to another key, and the same key may
bring it again. Its key is derived from the authority's, so all processes know it, and it outlives a restart.
"""

import base64
import hmac
import re
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cloud.identity.claims import ClaimError

VALID_MS = 600_000
PREFIX = "mrt_"
_WRITTEN = re.compile(r"mrt_([0-9a-f]{12})_([0-9]{1,15})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Ticket:
    """What is sent in the clear, and the 32 bytes that are not."""

    head: str
    secret: bytes


class Tickets:
    """Makes tickets for claims, and knows them again."""

    def __init__(self, key: EllipticCurvePrivateKey) -> None:
        number = key.private_numbers().private_value.to_bytes(32, "big")
        self._secret = HKDF(SHA256(), 32, salt=None, info=b"mirage/v1 tpm ticket").derive(number)

    def make(self, claim_id: str, key_sha256: bytes, now_ms: int) -> Ticket:
        """Give a ticket that is valid for ten minutes, for the key of this SHA-256."""
        head = f"{PREFIX}{claim_id}_{now_ms + VALID_MS}"
        return Ticket(head, self._mac(head, key_sha256))

    def claim_id(self, written: str, key_sha256: bytes, now_ms: int) -> str:
        """Say for which claim a ticket is that this key brings. Raises ClaimError."""
        match = _WRITTEN.fullmatch(written)
        if match is None:
            raise ClaimError("this is no ticket")
        expected = base64.urlsafe_b64encode(self._mac(f"{PREFIX}{match[1]}_{match[2]}", key_sha256))
        if not hmac.compare_digest(expected.rstrip(b"="), match[3].encode()):
            raise ClaimError("the ticket was not given to this key, or not read by the TPM that it is for")
        if int(match[2]) <= now_ms:
            raise ClaimError("the ticket is over: ask for another")
        return match[1]

    def _mac(self, head: str, key_sha256: bytes) -> bytes:
        return hmac.digest(self._secret, head.encode() + key_sha256, sha256)
