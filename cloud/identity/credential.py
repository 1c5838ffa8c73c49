"""TPM2_MakeCredential in software: a secret that one TPM alone reads, and only beside a key that it made.

    EK, AK (public) --> TPM2B_ID_OBJECT, TPM2B_ENCRYPTED_SECRET --TPM2_ActivateCredential--> secret

A seed goes to the endorsement key (EK); what is derived from it encrypts the secret and binds it to the name
of the attestation key (AK). A TPM reads it only where it has both. So what this proves about the AK is what
its attributes say, and `ak_name` takes none that could be had elsewhere.

Source: TPM 2.0 Library, Part 1: 11.4.10 (KDFa, KDFe), 16 (names), 24 (credential protection), annexes B (RSA)
and C (ECC), secret sharing; Part 2: 8.3 (TPMA_OBJECT), 12.2.4 (TPMT_PUBLIC). EKs are those of TCG's EK
Credential Profile, L-1 and L-2: RSA 2048 or P-256, with SHA-256 and AES-128-CFB.
"""

import hmac
import os
import struct
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

MAX_SECRET = 32  # the digest of the EK's name
_RSA_BITS = 2048
_COORDINATE = 32
_BLOCK = 16
_SHA256 = b"\x00\x0b"  # TPM_ALG_SHA256
_MUST = {  # TPMA_OBJECT: without one of these, a key of this name could be somewhere else, or sign anything
    "fixedTPM": 1 << 1,
    "fixedParent": 1 << 4,
    "sensitiveDataOrigin": 1 << 5,
    "restricted": 1 << 16,
    "sign": 1 << 18,
}
_DECRYPT = 1 << 17

EndorsementKey = RSAPublicKey | EllipticCurvePublicKey


class CredentialError(ValueError):
    """A key of a TPM cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Credential:
    """TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET, as TPM2_ActivateCredential takes them."""

    id_object: bytes
    encrypted_secret: bytes


def endorsement_key(spki: bytes) -> EndorsementKey:
    """Read an EK from the DER of its SPKI, or raise CredentialError."""
    try:
        key = load_der_public_key(spki)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CredentialError("the endorsement key is no public key in DER") from error
    if isinstance(key, RSAPublicKey) and key.key_size == _RSA_BITS:
        return key
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key
    raise CredentialError("the endorsement key is neither RSA 2048 nor P-256")


def ak_name(public: bytes) -> bytes:
    """Give the name of an AK by its TPM2B_PUBLIC, or raise CredentialError where a TPM need not have made it.

    What else is in there counts by the name alone: a TPM has no object whose public area is not well formed.
    """
    if len(public) < 10 or int.from_bytes(public[:2], "big") != len(public) - 2:
        raise CredentialError("the attestation key is no TPM2B_PUBLIC")
    area = public[2:]
    if area[2:4] != _SHA256:
        raise CredentialError("the attestation key's name is not of SHA-256")
    attributes = int.from_bytes(area[4:8], "big")
    lacks = [name for name, bit in _MUST.items() if not attributes & bit]
    if lacks or attributes & _DECRYPT:
        raise CredentialError(
            f"the attestation key {f'is not {lacks}' if lacks else 'decrypts'}: it proves nothing"
        )
    return _SHA256 + sha256(area).digest()


def make_credential(key: EndorsementKey, name: bytes, secret: bytes) -> Credential:
    """Wrap at most 32 bytes for the TPM of an EK, where it has the object of this name."""
    if len(secret) > MAX_SECRET:
        raise ValueError(f"a credential holds {MAX_SECRET} bytes, not {len(secret)}")
    seed, encrypted = _for_rsa(key) if isinstance(key, RSAPublicKey) else _for_p256(key)
    hidden = _aes_cfb(_kdfa(seed, b"STORAGE", name, 128), _sized(secret))
    mac = hmac.digest(_kdfa(seed, b"INTEGRITY", b"", 256), hidden + name, sha256)
    return Credential(_sized(_sized(mac) + hidden), _sized(encrypted))


def _for_rsa(key: RSAPublicKey) -> tuple[bytes, bytes]:
    seed = os.urandom(32)
    return seed, key.encrypt(seed, OAEP(MGF1(SHA256()), SHA256(), b"IDENTITY\0"))


def _for_p256(key: EllipticCurvePublicKey) -> tuple[bytes, bytes]:
    ours = generate_private_key(SECP256R1())
    shared, point, theirs = (
        ours.exchange(ECDH(), key),
        ours.public_key().public_numbers(),
        key.public_numbers(),
    )
    x, y, their_x = (number.to_bytes(_COORDINATE, "big") for number in (point.x, point.y, theirs.x))
    # KDFe: one round of SHA-256 gives the 256 bits.
    seed = sha256(struct.pack(">I", 1) + shared + b"IDENTITY\0" + x + their_x).digest()
    return seed, _sized(x) + _sized(y)


def _kdfa(key: bytes, label: bytes, context: bytes, bits: int) -> bytes:
    """SP 800-108 in counter mode; one round gives up to 256 bits."""
    message = struct.pack(">I", 1) + label + b"\0" + context + struct.pack(">I", bits)
    return hmac.digest(key, message, sha256)[: bits // 8]


def _aes_cfb(key: bytes, clear: bytes) -> bytes:
    """AES-128-CFB from a first block of zeros; libraries give CFB up, TPMs do not."""
    block = Cipher(AES(key), ECB()).encryptor()  # noqa: S305 -- the step of CFB, below
    hidden, last = b"", bytes(_BLOCK)
    for start in range(0, len(clear), _BLOCK):
        part = clear[start : start + _BLOCK]
        last = bytes(a ^ b for a, b in zip(part, block.update(last), strict=False))
        hidden += last
    return hidden


def _sized(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data
