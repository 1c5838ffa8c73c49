"""Who made a release: Ed25519 over the very bytes of a document, with what it is for.

{"kind": ..., ..., "signature": "<86 characters of base64url>"}      always the last member
 '------- signed -------'                                            release.json, index.json
"""

import base64
from typing import TYPE_CHECKING

from wire.release.documents import (
    MAX_DOCUMENT,
    Document,
    Index,
    Manifest,
    ReleaseError,
    canonical,
    parse,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_PURPOSES: dict[type, bytes] = {Manifest: b"mirage/v1 release", Index: b"mirage/v1 release index"}
_HEAD, _TAIL = b',"signature":"', b'"}'
_TEXT = 86  # characters of 64 bytes in base64url
_SUFFIX = len(_HEAD) + _TEXT + len(_TAIL)


def sign(document: Manifest | Index, key: "Ed25519PrivateKey") -> bytes:
    """Write a document with its signature; raises ReleaseError for one that nobody would read."""
    data = canonical(document)
    if isinstance(document, Manifest):
        parse(data, Manifest)
    else:
        parse(data, Index)
    return data[:-1] + _HEAD + _text(key.sign(_message(type(document), data))) + _TAIL


def verify(data: bytes, kind: type[Document], key: "Ed25519PublicKey") -> Document:
    """Read a document that the owner of `key` signed, or raise ReleaseError. Nothing is read before that."""
    from cryptography.exceptions import InvalidSignature

    document, signature = _split(data)
    try:
        key.verify(signature, _message(kind, document))
    except InvalidSignature as error:
        raise ReleaseError(
            "the signature is not of the key that signs releases, or of other bytes"
        ) from error
    return parse(document, kind)


def unsigned(data: bytes, kind: type[Document]) -> Document:
    """Read a document that was verified before, or raise ReleaseError."""
    return parse(_split(data)[0], kind)


def public_key(pem: bytes) -> "Ed25519PublicKey":
    """Read who may sign releases, or raise ReleaseError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ReleaseError("no public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ReleaseError("the public key is not of Ed25519")
    return key


def _split(data: bytes) -> tuple[bytes, bytes]:
    """Give the document without its signature, and the signature."""
    if len(data) > MAX_DOCUMENT + _SUFFIX:
        raise ReleaseError(f"{len(data)} bytes are more than {MAX_DOCUMENT}")
    head, suffix = data[:-_SUFFIX], data[-_SUFFIX:]
    text = suffix[len(_HEAD) : -len(_TAIL)]
    if suffix != _HEAD + text + _TAIL:
        raise ReleaseError("the document is not signed")
    try:
        signature = base64.b64decode(text + b"==", altchars=b"-_", validate=True)
    except ValueError as error:
        raise ReleaseError("the signature is no base64") from error
    if _text(signature) != text:
        raise ReleaseError("the signature is not written in its one form")
    return head + b"}", signature


def _text(signature: bytes) -> bytes:
    return base64.urlsafe_b64encode(signature).rstrip(b"=")


def _message(kind: type, document: bytes) -> bytes:
    return _PURPOSES[kind] + b"\0" + document
