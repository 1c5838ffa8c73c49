"""A release is what its key's owner signed: these bytes, for this purpose."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.wire.release.packs import KEY, release
from wire.release import Entry, Index, Manifest, Pack, ReleaseError, public_key, sign, unsigned, verify
from wire.release.documents import canonical

OF = release({"bin/a": b"a", "b": b""})
PUBLIC = KEY.public_key()


def test_what_was_signed_is_read() -> None:
    assert verify(OF.document, Manifest, PUBLIC) == unsigned(OF.document, Manifest) == OF.manifest
    assert OF.document.startswith(canonical(OF.manifest)[:-1] + b',"signature":"')
    assert sign(OF.manifest, KEY) == OF.document


def test_every_prefix_is_refused() -> None:
    for size in range(len(OF.document)):
        with pytest.raises(ReleaseError):
            verify(OF.document[:size], Manifest, PUBLIC)


def test_every_flipped_bit_is_refused() -> None:
    for at in range(8 * len(OF.document)):
        broken = bytearray(OF.document)
        broken[at // 8] ^= 1 << at % 8
        with pytest.raises(ReleaseError):
            verify(bytes(broken), Manifest, PUBLIC)


def test_bytes_behind_it_are_refused() -> None:
    with pytest.raises(ReleaseError, match="is not signed"):
        verify(OF.document + b"\n", Manifest, PUBLIC)


def test_another_key_is_refused() -> None:
    with pytest.raises(ReleaseError, match="not of the key that signs releases"):
        verify(sign(OF.manifest, Ed25519PrivateKey.generate()), Manifest, PUBLIC)


def test_a_signature_for_one_kind_is_none_for_another() -> None:
    packs = (Pack(1, "0" * 64),)
    index = Index(OF.manifest.id, "agent", "mirage", "1.0.0", "amd64", 1, packs, python="3.11")
    assert verify(sign(index, KEY), Index, PUBLIC) == index
    with pytest.raises(ReleaseError, match="not of the key"):
        verify(sign(index, KEY), Manifest, PUBLIC)


def test_what_nobody_would_read_is_not_signed() -> None:
    wrong = Manifest("agent", "mirage", "no version", "amd64", (Entry("a"),), python="3.11")
    with pytest.raises(ReleaseError, match="version"):
        sign(wrong, KEY)


def test_a_document_that_is_too_large_is_not_looked_at() -> None:
    with pytest.raises(ReleaseError, match="are more than"):
        verify(b" " * (17 << 20), Manifest, PUBLIC)


def test_who_may_sign_is_an_ed25519_key() -> None:
    pem = PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert public_key(pem).public_bytes_raw() == PUBLIC.public_bytes_raw()
    other = generate_private_key(SECP256R1()).public_key()
    with pytest.raises(ReleaseError, match="not of Ed25519"):
        public_key(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(ReleaseError, match="no public key in PEM"):
        public_key(b"nothing")
