"""How a device asks for its next certificate: it signs a nonce of the cloud's with the key that it has.

    "mirage/v1 renewal" 0 acme/north/edge-1 0 NONCE        signed: ECDSA over P-256 with SHA-256, DER, base64

It needs no TLS client certificate, so one that is over can be renewed too.
"""

import base64
import binascii
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

_PURPOSE = b"mirage/v1 renewal"


class RenewalError(ValueError):
    """The request was not signed by this key, for this device and nonce."""


def sign(key: "EllipticCurvePrivateKey", name: str, nonce: str) -> str:
    """Sign a nonce for the device TENANT/SITE/DEVICE."""
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    return base64.b64encode(key.sign(_message(name, nonce), ECDSA(SHA256()))).decode()


def verify(key: "EllipticCurvePublicKey", name: str, nonce: str, signature: str) -> None:
    """Raise RenewalError unless the owner of `key` signed this."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        key.verify(base64.b64decode(signature, validate=True), _message(name, nonce), ECDSA(SHA256()))
    except binascii.Error as error:
        raise RenewalError("the signature is no base64") from error
    except InvalidSignature as error:
        raise RenewalError(f"this is not signed with the key of {name}, for this nonce") from error
    except ValueError as error:  # not ASCII
        raise RenewalError("the signature is no base64") from error


def _message(name: str, nonce: str) -> bytes:
    return b"\0".join((_PURPOSE, name.encode(), nonce.encode()))
