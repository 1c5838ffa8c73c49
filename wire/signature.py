"""Births are signed with the device's own key, so that whoever runs the broker cannot speak for a device.

    {"device": ..., ..., "signature": "<86 characters of base64url>"}      always the last member
     '--------- signed ---------'                                          these very bytes, and the topic

ECDSA over P-256 with SHA-256, which a TPM can do; r and s in 32 bytes each. The bytes are signed as they were
sent, not as a reader would write them again.
"""

import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

_PURPOSE = b"mirage/v1 birth"
_HEAD, _TAIL = b',"signature":"', b'"}'
_HALF = 32  # bytes of r, and of s
_TEXT = 86  # characters of both in base64url
_SUFFIX = len(_HEAD) + _TEXT + len(_TAIL)


class SignatureError(ValueError):
    """The document is not signed, or not by this key for this topic."""


def sign(document: bytes, key: "EllipticCurvePrivateKey", topic: str) -> bytes:
    """Add a signature to an encoded document that has none, or raise SignatureError for another curve."""
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    _check_curve(key)
    signed = document.removesuffix(b"}")
    # RFC 6979: what is said again is the same bytes, also after a restart.
    algorithm = ECDSA(SHA256(), deterministic_signing=True)
    r, s = decode_dss_signature(key.sign(_message(signed, topic), algorithm))
    raw = r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")
    return signed + _HEAD + _text(raw) + _TAIL


def verify(document: bytes, key: "EllipticCurvePublicKey", topic: str) -> None:
    """Raise SignatureError unless the owner of `key` signed this document for this topic."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    _check_curve(key)
    signed, suffix = document[:-_SUFFIX], document[-_SUFFIX:]
    if not (suffix.startswith(_HEAD) and suffix.endswith(_TAIL)):
        raise SignatureError("document is not signed")
    text = suffix[len(_HEAD) : -len(_TAIL)]
    try:
        raw = base64.b64decode(text + b"==", altchars=b"-_", validate=True)
        if _text(raw) != text:
            raise SignatureError("signature is not written in its one form")
        signature = encode_dss_signature(
            int.from_bytes(raw[:_HALF], "big"), int.from_bytes(raw[_HALF:], "big")
        )
        key.verify(signature, _message(signed, topic), ECDSA(SHA256()))
    except (InvalidSignature, ValueError) as error:  # ValueError: no base64
        raise SignatureError("document was altered, or is of another device or topic") from error


def _text(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _message(signed: bytes, topic: str) -> bytes:
    return b"\0".join((_PURPOSE, topic.encode(), signed))


def _check_curve(key: "EllipticCurvePrivateKey | EllipticCurvePublicKey") -> None:
    if key.curve.name != "secp256r1":
        raise SignatureError(f"device key is of curve {key.curve.name}, expected secp256r1 (P-256)")
