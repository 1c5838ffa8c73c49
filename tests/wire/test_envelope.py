"""The envelope: what the broker sees, and what it cannot change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.envelope import EnvelopeError, Header, PlainEnvelope, SealedEnvelope, read_header
from wire.packet import MAX_BODY, MAX_FRAME

KEY = bytes(range(32))
TOPIC = "mirage/v1/acme/site-a/dev-1/cam0/sem"
BODY = b"\x02\x07\xe8\x07 body"


def test_plain_frame_has_the_documented_bytes() -> None:
    envelope = PlainEnvelope()
    frames = [envelope.wrap(BODY, TOPIC) for _ in range(129)]
    assert frames[0] == bytes.fromhex("a1 00 00") + BODY
    assert frames[128] == bytes.fromhex("a1 00 8001") + BODY
    assert envelope.unwrap(frames[128], "another topic") == BODY


def test_sealed_frame_has_the_documented_bytes() -> None:
    # ChaCha20-Poly1305 worked out after RFC 8439 without a library: nonce 0, topic and header bound.
    sealed = bytes.fromhex("1abfaa368d84c9b56a37232002a001c87e5f01d8ffcdbb9822")
    assert SealedEnvelope(KEY, 5).wrap(BODY, TOPIC) == bytes.fromhex("a1 05 00") + sealed


def test_sealed_body_comes_back_and_is_not_readable() -> None:
    sender, receiver = SealedEnvelope(KEY, 5), SealedEnvelope(KEY, 5)
    for counter in range(3):
        frame = sender.wrap(BODY, TOPIC)
        assert read_header(frame) == Header(key_id=5, counter=counter, size=3)
        assert BODY not in frame
        assert len(frame) == 3 + len(BODY) + 16
        assert receiver.unwrap(frame, TOPIC) == BODY


def test_equal_bodies_are_sealed_differently() -> None:
    envelope = SealedEnvelope(KEY, 5)
    first, second = envelope.wrap(BODY, TOPIC), envelope.wrap(BODY, TOPIC)
    assert first[3:] != second[3:]


def test_frames_open_in_any_order() -> None:
    sender, receiver = SealedEnvelope(KEY, 5), SealedEnvelope(KEY, 5)
    frames = [sender.wrap(bytes([number]), TOPIC) for number in range(5)]
    assert [receiver.unwrap(frame, TOPIC) for frame in reversed(frames)] == [
        b"\4",
        b"\3",
        b"\2",
        b"\1",
        b"\0",
    ]


def test_any_changed_bit_is_noticed() -> None:
    frame = SealedEnvelope(KEY, 5).wrap(BODY, TOPIC)
    receiver = SealedEnvelope(KEY, 5)
    for bit in range(8 * len(frame)):
        altered = bytearray(frame)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(EnvelopeError):
            receiver.unwrap(bytes(altered), TOPIC)


def test_another_topic_or_key_is_noticed() -> None:
    frame = SealedEnvelope(KEY, 5).wrap(BODY, TOPIC)
    with pytest.raises(EnvelopeError, match="topic"):
        SealedEnvelope(KEY, 5).unwrap(frame, TOPIC.replace("cam0", "cam1"))
    with pytest.raises(EnvelopeError, match="key"):
        SealedEnvelope(bytes(32), 5).unwrap(frame, TOPIC)
    with pytest.raises(EnvelopeError, match="key id 5, expected 6"):
        SealedEnvelope(KEY, 6).unwrap(frame, TOPIC)


def test_every_prefix_of_a_sealed_frame_is_refused() -> None:
    frame = SealedEnvelope(KEY, 5).wrap(BODY, TOPIC)
    for length in range(len(frame)):
        with pytest.raises(EnvelopeError):
            SealedEnvelope(KEY, 5).unwrap(frame[:length], TOPIC)


def test_sealed_is_never_taken_for_unsealed_or_the_reverse() -> None:
    with pytest.raises(EnvelopeError, match="sealed with key 5"):
        PlainEnvelope().unwrap(SealedEnvelope(KEY, 5).wrap(BODY, TOPIC), TOPIC)
    with pytest.raises(EnvelopeError, match="key id 0"):
        SealedEnvelope(KEY, 5).unwrap(PlainEnvelope().wrap(BODY, TOPIC), TOPIC)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        pytest.param("", "0 bytes", id="empty"),
        pytest.param("a1 00", "2 bytes", id="no counter"),
        pytest.param("a2 00 00", "begins with 0xa2", id="version 2"),
        pytest.param("7b 22 7d", "begins with 0x7b", id="JSON"),
        pytest.param("a1 00 80", "cut off", id="counter cut off"),
        pytest.param("a1 00 8000", "overlong", id="counter in two bytes for one"),
    ],
)
def test_foreign_headers_are_refused(frame: str, reason: str) -> None:
    with pytest.raises(EnvelopeError, match=reason):
        read_header(bytes.fromhex(frame))


@pytest.mark.parametrize(
    ("key", "key_id", "reason"), [(KEY[1:], 5, "31 bytes"), (KEY, 0, "key id 0"), (KEY, 256, "key id 256")]
)
def test_bad_keys_are_refused(key: bytes, key_id: int, reason: str) -> None:
    with pytest.raises(EnvelopeError, match=reason):
        SealedEnvelope(key, key_id)


def test_the_largest_body_fits_and_no_larger_one() -> None:
    assert len(SealedEnvelope(KEY, 5).wrap(bytes(MAX_BODY), TOPIC)) <= MAX_FRAME
    with pytest.raises(EnvelopeError, match="limit"):
        PlainEnvelope().wrap(bytes(MAX_FRAME), TOPIC)
    with pytest.raises(EnvelopeError, match="limit"):
        SealedEnvelope(KEY, 5).wrap(bytes(MAX_FRAME), TOPIC)
    with pytest.raises(EnvelopeError, match="limit"):
        read_header(bytes(MAX_FRAME + 1))


@given(st.binary(max_size=64))
def test_arbitrary_frames_raise_envelope_error_or_open(frame: bytes) -> None:
    for envelope in (PlainEnvelope(), SealedEnvelope(KEY, 5)):
        try:
            envelope.unwrap(frame, TOPIC)
        except EnvelopeError:
            continue
        assert frame[:2] == b"\xa1\0"
