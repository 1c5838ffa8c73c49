"""Every byte of an MQTT stream is filed once, and under what it was spent on."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mirage.demo.meter import ByteLedger, ConnectionMeter, Direction, Tally, Totals

UP, DOWN = Direction.UP, Direction.DOWN
TOPIC = b"mirage/v1/acme/site-a/cam-1/door/sem"

CONNECT = bytes.fromhex("10 0f 0004 4d515454 05 02 003c 00 0002 6162")
CONNACK = bytes.fromhex("20 03 00 00 00")
PUBACK = bytes.fromhex("40 02 0001")
SUBSCRIBE = bytes.fromhex("82 07 0001 00 0001 61 01")
PINGREQ = bytes.fromhex("c0 00")
DISCONNECT = bytes.fromhex("e0 00")


def publish(topic: bytes, payload: bytes, properties: bytes = b"", qos: int = 1) -> bytes:
    body = len(topic).to_bytes(2, "big") + topic + (b"\x00\x01" if qos else b"")
    body += bytes([len(properties)]) + properties + payload
    assert len(body) < 128
    return bytes([0x30 | qos << 1, len(body)]) + body


def alias(number: int) -> bytes:
    return b"\x23" + number.to_bytes(2, "big")


def metered(*chunks: bytes, direction: Direction = UP) -> Totals:
    ledger = ByteLedger()
    meter = ConnectionMeter(ledger)
    for chunk in chunks:
        meter.feed(direction, chunk)
    meter.close()
    return ledger.totals()


def test_control_packets_are_filed_by_what_they_do() -> None:
    totals = metered(CONNECT, PINGREQ, SUBSCRIBE, PUBACK, DISCONNECT)
    assert totals == {
        (UP, "connect"): Tally(2, 19),
        (UP, "ping"): Tally(1, 2),
        (UP, "subscribe"): Tally(1, 9),
        (UP, "receipt"): Tally(1, 4),
    }


def test_a_publish_is_filed_under_the_leaf_of_its_topic_with_its_payload() -> None:
    frame = publish(TOPIC, b"12345")
    assert metered(frame) == {(UP, "sem"): Tally(1, len(frame), 5)}


def test_a_topic_alias_stands_for_the_topic_it_was_given() -> None:
    first = publish(TOPIC, b"1", alias(3))
    second = publish(b"", b"22", alias(3))
    assert metered(first, second) == {(UP, "sem"): Tally(2, len(first) + len(second), 3)}


def test_an_alias_behind_other_properties_is_found() -> None:
    expiry_and_type = bytes.fromhex("02 0000003c 03 0002 6162")
    first = publish(TOPIC, b"1", expiry_and_type + alias(1))
    second = publish(b"", b"1", alias(1))
    assert metered(first, second)[UP, "sem"].packets == 2


def test_an_alias_of_one_direction_means_nothing_in_the_other() -> None:
    ledger = ByteLedger()
    meter = ConnectionMeter(ledger)
    meter.feed(UP, publish(TOPIC, b"1", alias(1)))
    meter.feed(DOWN, publish(b"", b"1", alias(1)))
    assert set(ledger.totals()) == {(UP, "sem"), (DOWN, "other")}


def test_version_3_has_no_properties() -> None:
    connect = bytes.fromhex("10 0e 0004 4d515454 04 02 003c 0002 6162")
    body = len(TOPIC).to_bytes(2, "big") + TOPIC + b"payload"
    frame = bytes([0x30, len(body)]) + body
    assert metered(connect, frame)[UP, "sem"] == Tally(1, len(frame), 7)


@given(cuts=st.lists(st.integers(0, 200), max_size=8))
def test_chunk_borders_do_not_matter(cuts: list[int]) -> None:
    stream = CONNECT + publish(TOPIC, b"1", alias(1)) + publish(b"", b"1", alias(1)) + DISCONNECT
    borders = [0, *sorted(cuts), len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(borders)]
    assert metered(*chunks) == metered(stream)


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_whatever_comes_is_counted_to_the_byte(chunks: list[bytes]) -> None:
    totals = metered(*chunks)
    assert sum(tally.bytes for tally in totals.values()) == sum(map(len, chunks))


def test_a_packet_that_never_ended_is_filed_as_cut() -> None:
    frame = publish(TOPIC, b"12345")
    assert metered(frame[:-1]) == {(UP, "cut"): Tally(1, len(frame) - 1)}


def test_what_is_not_mqtt_is_filed_whole() -> None:
    assert metered(b"\x00GET / HTTP/1.1", b" more")[UP, "unparsed"].bytes == 20
