"""Documents are signed, and what is wrong with a signature is said."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from cloud.provenance.signing import (
    Signatory,
    SignatureError,
    SigningKeyError,
    from_pem,
    key_id,
    to_pem,
    verify,
)

OURS, THEIRS = (Signatory(Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)) for n in (1, 2))
DOCUMENT = {"notice": "AI-reconstructed", "seed": 0, "source": [1280, 720, 25.0], "clip": {"sha256": "ab"}}


def test_what_was_signed_is_verified_and_who_did_is_said() -> None:
    assert verify(OURS.sign(DOCUMENT), [THEIRS.public, OURS.public]) == key_id(OURS.public)


def test_the_bytes_that_are_signed_are_fixed() -> None:
    """Written by hand: a verifier in another language needs no more than this line."""
    signed = OURS.sign(DOCUMENT)
    plain = b'{"clip":{"sha256":"ab"},"notice":"AI-reconstructed","seed":0,"source":[1280,720,25]}'
    assert signed["signature"] == {
        "algorithm": "Ed25519",
        "key": "34750f98bd59fcfc",
        "value": base64.b64encode(OURS.key.sign(plain)).decode(),
    }


def test_a_document_that_is_signed_again_has_one_signature() -> None:
    again = THEIRS.sign(OURS.sign(DOCUMENT))
    assert verify(again, [THEIRS.public]) == key_id(THEIRS.public)
    assert THEIRS.sign(DOCUMENT) == again


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"seed": 1}, "changed since it was signed"),
        ({"clip": {"sha256": "ac"}}, "changed since it was signed"),
        ({"more": None}, "changed since it was signed"),
        ({"seed": float("nan")}, "cannot have been signed"),
        ({"signature": None}, "not signed: nobody vouches"),
        ({"signature": "x"}, "its signature is damaged"),
        ({"signature": {"algorithm": "RSA", "key": "a", "value": ""}}, "only Ed25519 is known"),
        ({"signature": {"algorithm": "Ed25519", "key": key_id(OURS.public), "value": "!"}}, "is damaged"),
        (
            {"signature": {"algorithm": "Ed25519", "key": key_id(OURS.public), "value": "AAAA"}},
            "does not fit",
        ),
    ],
)
def test_what_is_wrong_with_a_signature_is_said(changed: dict[str, object], told: str) -> None:
    with pytest.raises(SignatureError, match=told):
        verify({**OURS.sign(DOCUMENT), **changed}, [OURS.public])


def test_another_key_is_not_trusted_also_under_the_name_of_ours() -> None:
    with pytest.raises(SignatureError, match="none of those that are trusted"):
        verify(THEIRS.sign(DOCUMENT), [OURS.public])
    forged = THEIRS.sign(DOCUMENT)
    named = {**forged, "signature": {**dict(forged["signature"]), "key": key_id(OURS.public)}}  # type: ignore[call-overload]
    with pytest.raises(SignatureError, match="does not fit"):
        verify(named, [OURS.public])


def test_several_public_keys_are_read_from_one_file() -> None:
    assert from_pem(to_pem(OURS.public) + b"\n" + to_pem(THEIRS.public)) == [OURS.public, THEIRS.public]


@pytest.mark.parametrize(
    "data", [b"", b"key", b"-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"]
)
def test_what_is_no_public_key_is_refused(data: bytes) -> None:
    with pytest.raises(SigningKeyError):
        from_pem(data)


def test_keys_of_another_kind_are_refused() -> None:
    other = generate_private_key(SECP256R1())
    with pytest.raises(SigningKeyError, match="not an Ed25519 key"):
        Signatory.read(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(SigningKeyError, match="not Ed25519"):
        from_pem(other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(SigningKeyError, match="no private key"):
        Signatory.read(to_pem(OURS.public))
