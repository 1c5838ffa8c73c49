"""Signatures of documents: Ed25519 over their canonical bytes, inside of them. Pure.

    {"camera": ..., "clip": {"sha256": ...}, ..., "signature": {"algorithm", "key", "value"}}
    '---------- canonical (RFC 8785) ------------'  is what is signed: all but `signature`

A key is named by the first 16 hex digits of the SHA-256 of its 32 bytes. That name is no more than a hint
which key to try.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from cloud.provenance.canonical import CanonicalError, canonical

ALGORITHM = "Ed25519"
_MEMBER = "signature"
_END = b"-----END PUBLIC KEY-----"

Document = Mapping[str, object]


class SignatureError(ValueError):
    """A document is not signed, or not as it stands, or not by a known key; the message says which."""


class SigningKeyError(ValueError):
    """A key cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Signatory:
    """Who signs."""

    key: Ed25519PrivateKey

    @classmethod
    def read(cls, pem: bytes) -> "Signatory":
        """Read a private key in PEM without a password, or raise SigningKeyError."""
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise SigningKeyError("no private key in PEM without a password") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise SigningKeyError("not an Ed25519 key")
        return cls(key)

    @property
    def public(self) -> bytes:
        """Give the public half: 32 bytes."""
        return self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, document: Document) -> dict[str, object]:
        """Give the document with a signature, in place of one that it may have. Raises CanonicalError."""
        value = base64.b64encode(self.key.sign(_signed(document))).decode()
        signature = {"algorithm": ALGORITHM, "key": key_id(self.public), "value": value}
        return {**document, _MEMBER: signature}


def verify(document: Document, keys: Iterable[bytes]) -> str:
    """Check a document against public keys of 32 bytes; give the name of the one that signed it.

    Raises SignatureError.
    """
    known = {key_id(key): key for key in keys}
    match document.get(_MEMBER):
        case None:
            raise SignatureError("not signed: nobody vouches for what it says")
        case {"algorithm": str(algorithm)} if algorithm != ALGORITHM:
            raise SignatureError(f"signed by {algorithm!r}, of which only {ALGORITHM} is known here")
        case {"algorithm": str(), "key": str(name), "value": str(value)}:
            pass
        case other:
            raise SignatureError(f"its signature is damaged: {other!r}")
    if name not in known:
        have = ", ".join(sorted(known)) or "none"
        raise SignatureError(f"signed with key {name}, which is none of those that are trusted here ({have})")
    try:
        signature = base64.b64decode(value, validate=True)
        Ed25519PublicKey.from_public_bytes(known[name]).verify(signature, _signed(document))
    except binascii.Error as error:
        raise SignatureError(f"its signature is damaged: {error}") from error
    except CanonicalError as error:
        raise SignatureError(f"cannot have been signed: {error}") from error
    except InvalidSignature as error:
        raise SignatureError(
            f"changed since it was signed, or never signed with key {name}: the signature does not fit"
        ) from error
    return name


def key_id(public: bytes) -> str:
    """Name a public key of 32 bytes: 16 hex digits."""
    return hashlib.sha256(public).hexdigest()[:16]


def to_pem(public: bytes) -> bytes:
    """Write a public key of 32 bytes as PEM."""
    key = Ed25519PublicKey.from_public_bytes(public)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def from_pem(data: bytes) -> list[bytes]:
    """Read public keys, one PEM after another; at least one. Raises SigningKeyError."""
    parts = [part + _END for part in data.split(_END)[:-1]]
    if not parts:
        raise SigningKeyError("no public key in PEM")
    found = []
    for part in parts:
        try:
            key = load_pem_public_key(part.strip())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise SigningKeyError("a public key in PEM that is damaged") from error
        if not isinstance(key, Ed25519PublicKey):
            raise SigningKeyError("a public key that is not Ed25519")
        found.append(key.public_bytes(Encoding.Raw, PublicFormat.Raw))
    return found


def _signed(document: Document) -> bytes:
    return canonical({name: value for name, value in document.items() if name != _MEMBER})
