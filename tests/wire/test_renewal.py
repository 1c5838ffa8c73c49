"""What a device signs to get its next certificate: these very bytes, and for nothing else."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from wire import renewal
from wire.renewal import RenewalError

KEY = generate_private_key(SECP256R1())
NAME, NONCE = "acme/north/edge-1", "AQ=="


def test_what_is_signed_is_purpose_name_and_nonce() -> None:
    signature = base64.b64decode(renewal.sign(KEY, NAME, NONCE))
    KEY.public_key().verify(signature, b"mirage/v1 renewal\0acme/north/edge-1\0AQ==", ECDSA(SHA256()))
    renewal.verify(KEY.public_key(), NAME, NONCE, renewal.sign(KEY, NAME, NONCE))


@pytest.mark.parametrize(
    ("name", "nonce"), [("acme/north/edge-2", NONCE), (NAME, "AR=="), (f"{NAME}\0AQ==", ""), ("", "")]
)
def test_a_signature_is_for_one_device_and_one_nonce(name: str, nonce: str) -> None:
    with pytest.raises(RenewalError, match="not signed with the key"):
        renewal.verify(KEY.public_key(), name, nonce, renewal.sign(KEY, NAME, NONCE))


def test_another_key_is_refused() -> None:
    other = generate_private_key(SECP256R1()).public_key()
    with pytest.raises(RenewalError, match="not signed with the key"):
        renewal.verify(other, NAME, NONCE, renewal.sign(KEY, NAME, NONCE))


def test_what_was_signed_as_a_birth_renews_nothing() -> None:
    signed = KEY.sign(b"mirage/v1 birth\0acme/north/edge-1\0AQ==", ECDSA(SHA256()))
    with pytest.raises(RenewalError):
        renewal.verify(KEY.public_key(), NAME, NONCE, base64.b64encode(signed).decode())


@pytest.mark.parametrize("signature", ["", "AAAA", "!!!!", "AAA", "ü"])
def test_rubbish_is_no_signature(signature: str) -> None:
    with pytest.raises(RenewalError):
        renewal.verify(KEY.public_key(), NAME, NONCE, signature)
