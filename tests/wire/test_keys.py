"""Keys of a connection: the cloud alone reads them, for one topic, boot and key id."""

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from wire import keys
from wire.envelope import EnvelopeError, SealedEnvelope
from wire.keys import SecretError

SECRET = bytes(range(32))
CLOUD = X25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
TOPIC = "mirage/v1/acme/north/edge-1/birth"
BOOT = "0123456789abcdef"
CONTEXT = keys.context_of(TOPIC, BOOT, 7)
UP = bytes.fromhex("743191d07761d4a9ab8d8221376024564407f4ff95e5e24b7a0083c728943cae")
DOWN = bytes.fromhex("3615b4ad2875eae9415d4ab636a2ad612f398fef9cff9854a64b696af4051d05")


def test_the_cloud_reads_what_was_wrapped_for_it() -> None:
    wrapped = keys.wrap(SECRET, CLOUD.public_key(), CONTEXT)
    assert len(wrapped) == 107
    assert keys.unwrap(wrapped, CLOUD, CONTEXT) == SECRET


def test_the_same_secret_is_wrapped_differently_each_time() -> None:
    assert keys.wrap(SECRET, CLOUD.public_key(), CONTEXT) != keys.wrap(SECRET, CLOUD.public_key(), CONTEXT)


@pytest.mark.parametrize(
    "context",
    [
        pytest.param(keys.context_of(TOPIC.replace("edge-1", "edge-2"), BOOT, 7), id="topic"),
        pytest.param(keys.context_of(TOPIC, BOOT[::-1], 7), id="boot"),
        pytest.param(keys.context_of(TOPIC, BOOT, 8), id="key id"),
    ],
)
def test_a_wrapped_secret_opens_in_no_other_context(context: bytes) -> None:
    wrapped = keys.wrap(SECRET, CLOUD.public_key(), CONTEXT)
    with pytest.raises(SecretError, match="another cloud key, topic, boot or key id"):
        keys.unwrap(wrapped, CLOUD, context)


def test_another_cloud_key_opens_nothing() -> None:
    wrapped = keys.wrap(SECRET, CLOUD.public_key(), CONTEXT)
    with pytest.raises(SecretError, match="another cloud key"):
        keys.unwrap(wrapped, X25519PrivateKey.generate(), CONTEXT)


@pytest.mark.parametrize(
    ("wrapped", "reason"),
    [
        pytest.param("", "0 bytes", id="empty"),
        pytest.param("A" * 106, "79 bytes", id="short"),
        pytest.param("A" * 107, "another cloud key", id="zeros: a point of low order"),
        pytest.param("A" * 106 + "B", "one form", id="bits that mean nothing"),
        pytest.param("A" * 105 + "é", "base64url", id="not ASCII"),
        pytest.param("A" * 103 + "+/==", "base64url", id="another alphabet"),
    ],
)
def test_what_is_no_wrapped_secret_is_refused(wrapped: str, reason: str) -> None:
    with pytest.raises(SecretError, match=reason):
        keys.unwrap(wrapped, CLOUD, CONTEXT)


@given(st.text(max_size=120))
def test_arbitrary_text_raises_secret_error(text: str) -> None:
    with pytest.raises(SecretError):
        keys.unwrap(text, CLOUD, CONTEXT)


def test_the_two_directions_have_the_documented_keys() -> None:
    # HKDF-Expand (RFC 5869), worked out with hmac alone.
    assert (keys.up(SECRET), keys.down(SECRET)) == (UP, DOWN)


def test_what_went_up_does_not_come_down() -> None:
    frame = SealedEnvelope(keys.up(SECRET), 7).wrap(b"body", TOPIC)
    with pytest.raises(EnvelopeError):
        SealedEnvelope(keys.down(SECRET), 7).unwrap(frame, TOPIC)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_secret_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(SecretError, match=f"{size} bytes, expected 32"):
        keys.up(bytes(size))
    with pytest.raises(SecretError, match=f"{size} bytes, expected 32"):
        keys.wrap(bytes(size), CLOUD.public_key(), CONTEXT)


def test_key_ids_go_round_without_zero() -> None:
    assert [keys.next_key_id(each) for each in (1, 2, 254, 255)] == [2, 3, 255, 1]
