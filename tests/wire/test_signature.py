"""Signatures of births: any other byte, key or topic is noticed."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from wire import documents, signature
from wire.documents import Birth, CameraInfo
from wire.signature import SignatureError

KEY = ec.derive_private_key(12345, ec.SECP256R1())
TOPIC = "mirage/v1/acme/north/edge-1/birth"
BIRTH = Birth(
    device="edge-1",
    boot_id="0123456789abcdef",
    boot_wall_ms=1_790_000_000_000,
    wall_error_ms=1,
    software="mirage test",
    bundle="tiny",
    bundle_sha256="0" * 16,
    cameras=(CameraInfo("door", 640, 360, 12.5),),
    key_id=3,
)
SIGNED = signature.sign(documents.encode(BIRTH), KEY, TOPIC)
# The same birth, signed once with OpenSSL's command line and pasted here.
FOREIGN = documents.encode(BIRTH)[:-1] + (
    b',"signature":"Za-nYxODpqXPpBJfLls2ZQ70wYI_Ex9LLZDlhO5ygDlmtczMDqz80-Yx6IJca0WzBA0ieOpFUeyTB8fYGREr5w"}'
)


def test_a_signed_birth_is_a_birth_and_verifies() -> None:
    signature.verify(SIGNED, KEY.public_key(), TOPIC)
    assert len(SIGNED) == len(documents.encode(BIRTH)) + 101
    found = documents.decode_birth(SIGNED)
    assert (found.device, found.key_id) == ("edge-1", 3)
    assert found.signature is not None


def test_the_same_birth_is_signed_with_the_same_bytes() -> None:
    assert signature.sign(documents.encode(BIRTH), KEY, TOPIC) == SIGNED


def test_a_signature_that_openssl_made_verifies() -> None:
    signature.verify(FOREIGN, KEY.public_key(), TOPIC)


def test_any_changed_byte_is_noticed() -> None:
    for place in range(len(SIGNED)):
        altered = bytearray(SIGNED)
        altered[place] ^= 1
        with pytest.raises(SignatureError):
            signature.verify(bytes(altered), KEY.public_key(), TOPIC)


def test_another_topic_or_key_is_noticed() -> None:
    with pytest.raises(SignatureError, match="another device or topic"):
        signature.verify(SIGNED, KEY.public_key(), TOPIC.replace("north", "south"))
    with pytest.raises(SignatureError, match="another device or topic"):
        signature.verify(SIGNED, ec.generate_private_key(ec.SECP256R1()).public_key(), TOPIC)


@pytest.mark.parametrize("document", [b"", b"{}", documents.encode(BIRTH), SIGNED + b" ", SIGNED[:-1]])
def test_what_is_not_signed_at_its_end_is_refused(document: bytes) -> None:
    with pytest.raises(SignatureError, match="not signed"):
        signature.verify(document, KEY.public_key(), TOPIC)


def test_a_key_of_another_curve_is_refused() -> None:
    other = ec.generate_private_key(ec.SECP384R1())
    with pytest.raises(SignatureError, match="secp384r1, expected secp256r1"):
        signature.sign(b"{}", other, TOPIC)
    with pytest.raises(SignatureError, match="secp384r1"):
        signature.verify(SIGNED, other.public_key(), TOPIC)


@given(st.binary(max_size=200))
def test_arbitrary_documents_raise_signature_error(document: bytes) -> None:
    for each in (document, b"{" + document + SIGNED[-101:]):
        with pytest.raises(SignatureError):
            signature.verify(each, KEY.public_key(), TOPIC)
