"""The packet: what goes on the wire, what is refused."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import gap
from wire.gap import Gap, GapReason
from wire.packet import MAX_BODY, Layer, Packet, PacketError, layer_label

# Written out by hand: a change here is a change of protocol, not of code.
GOLDEN = [
    pytest.param(
        "02  07  e807  d00f  01 03 616263  82 01 00",
        Packet(7, 1000, 2000, {Layer.CAPTION: b"abc", Layer.MOTION: b"\0"}, refresh=True),
        id="refresh with caption and motion",
    ),
    pytest.param(
        "01  8101  c0cf24  e0d403  81 00",
        Packet(129, 600_000, 60_000, {Layer.CAPTION: b""}, still=True),
        id="still minute, caption as before",
    ),
    pytest.param(
        "1e  0123456789abcdef  00  00  01  84 02 ff00",
        Packet(
            0,
            0,
            1,
            {Layer.APPEARANCE_TOKENS: b"\xff\0"},
            refresh=True,
            cut=True,
            historical=True,
            boot_id=bytes.fromhex("0123456789abcdef"),
        ),
        id="backlog of another boot",
    ),
    pytest.param("00  05  00  00  00", Packet(5, 0, 0, {}), id="no layers"),
    pytest.param(
        "00  2a  8827  00  87 03 000902",
        Packet(42, 5000, 0, {Layer.GAP: gap.encode(Gap(0, 9, GapReason.DAMAGED))}),
        id="gap",
    ),
    pytest.param(
        "00  01  02  03  05 01 aa  7e 00  ff 01 bb",
        Packet(1, 2, 3, {5: b"\xaa", 126: b"", 127: b"\xbb"}),
        id="layers that version 1 does not know",
    ),
]
WIRES = [str(case.values[0]) for case in GOLDEN]

ids = st.integers(1, 127)
packets = st.builds(
    Packet,
    sequence=st.integers(0, 2**63 - 1),
    captured_ms=st.integers(0, 2**48 - 1),
    duration_ms=st.integers(0, 120_000),
    layers=st.dictionaries(ids, st.binary(max_size=300), max_size=6),
    still=st.booleans(),
    refresh=st.booleans(),
    cut=st.booleans(),
    historical=st.booleans(),
    boot_id=st.none() | st.binary(min_size=8, max_size=8),
)


@pytest.mark.parametrize(("wire", "packet"), GOLDEN)
def test_packet_has_the_documented_bytes(wire: str, packet: Packet) -> None:
    assert bytes(packet) == bytes.fromhex(wire)
    assert Packet.parse(bytes.fromhex(wire)) == packet


@pytest.mark.parametrize("wire", WIRES)
def test_every_prefix_is_refused(wire: str) -> None:
    data = bytes.fromhex(wire)
    for length in range(len(data)):
        with pytest.raises(PacketError):
            Packet.parse(data[:length])


@pytest.mark.parametrize("wire", WIRES)
def test_bytes_behind_the_last_layer_are_refused(wire: str) -> None:
    with pytest.raises(PacketError, match="1 bytes follow"):
        Packet.parse(bytes.fromhex(wire) + b"\0")


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        pytest.param("20 00 00 00 00", "flags 0x20", id="flag of a later version"),
        pytest.param("00 00 00 00 01 00 81 00", "does not ascend", id="layer twice"),
        pytest.param("00 00 00 00 02 00 81 00", "does not ascend", id="layers out of order"),
        pytest.param("00 00 00 00 80 00", "id 0 at byte 4", id="layer 0"),
        pytest.param("00 00 00 00 01 00 00", "id 0 at byte 6", id="layer 0 behind another"),
        pytest.param("00 00 00 00 81 05 6162", "of 5 bytes is cut off", id="layer longer than the rest"),
        pytest.param("00 00 00 00 81 8000", "overlong", id="length in two bytes for one"),
        pytest.param("00 8000 00 00 00", "overlong", id="sequence in two bytes for one"),
        pytest.param("00 00 00 c1a907 00", "duration_ms 120001", id="segment of more than two minutes"),
        pytest.param("00 ffffffffffffffffff01 00 00 00", "63 bits", id="sequence of 64 bits"),
        pytest.param("00 00 80808080808040 00 00", "48 bits", id="capture time of 49 bits"),
    ],
)
def test_what_is_no_packet_is_refused(wire: str, reason: str) -> None:
    with pytest.raises(PacketError, match=reason):
        Packet.parse(bytes.fromhex(wire))


def test_a_huge_claimed_length_is_not_allocated() -> None:
    with pytest.raises(PacketError, match="cut off"):
        Packet.parse(bytes.fromhex("00 00 00 00 81 ffffffffffffffffff01"))


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        pytest.param({"sequence": -1}, "sequence -1", id="negative sequence"),
        pytest.param({"captured_ms": 2**48}, "captured_ms", id="capture time of 49 bits"),
        pytest.param({"duration_ms": -1}, "duration_ms -1", id="negative duration"),
        pytest.param({"layers": {128: b""}}, "layer id 128", id="layer id of 8 bits"),
        pytest.param({"layers": {0: b""}}, "layer id 0", id="layer 0"),
        pytest.param({"layers": {1: bytes(MAX_BODY)}}, "limit is", id="too large"),
        pytest.param({"boot_id": b"1234567"}, "boot_id has 7 bytes", id="short boot id"),
    ],
)
def test_what_cannot_be_written_cannot_be_built(packet: dict[str, object], reason: str) -> None:
    fields: dict[str, object] = {"sequence": 0, "captured_ms": 0, "duration_ms": 0, "layers": {}}
    with pytest.raises(PacketError, match=reason):
        Packet(**(fields | packet))  # type: ignore[arg-type]


def test_more_than_a_frame_is_refused_unread() -> None:
    with pytest.raises(PacketError, match="limit"):
        Packet.parse(bytes(MAX_BODY + 1))


@given(packets)
def test_parse_reverses_bytes(packet: Packet) -> None:
    assert Packet.parse(bytes(packet)) == packet


@given(packets, st.data())
def test_no_prefix_of_a_packet_is_one(packet: Packet, data: st.DataObject) -> None:
    whole = bytes(packet)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(PacketError):
        Packet.parse(whole[:cut])


@given(st.binary(max_size=64))
def test_what_parses_has_no_other_form(data: bytes) -> None:
    try:
        packet = Packet.parse(data)
    except PacketError:
        return
    assert bytes(packet) == data


def test_a_hundred_thousand_mutations_parse_or_raise_packet_error() -> None:
    chance = random.Random(1)
    originals = [bytes.fromhex(wire) for wire in WIRES]
    parsed = 0
    for _ in range(100_000):
        data = bytearray(chance.choice(originals))
        for _ in range(chance.randint(1, 3)):
            mutate(data, chance)
        try:
            packet = Packet.parse(bytes(data))
        except PacketError:
            continue
        parsed += 1
        assert bytes(packet) == data
    assert 5_000 < parsed < 95_000  # both outcomes were really exercised


def mutate(data: bytearray, chance: random.Random) -> None:
    """Change, insert, remove or cut off a byte or more."""
    at = chance.randrange(len(data) + 1)
    action = chance.randrange(4)
    if action == 0 and at < len(data):
        data[at] = chance.randrange(256)
    elif action == 1:
        data[at:at] = chance.randbytes(chance.randint(1, 3))
    elif action == 2:
        del data[at : at + chance.randint(1, 3)]
    else:
        del data[at:]


def test_layers_have_the_names_that_users_see() -> None:
    labels = "caption motion appearance-vector appearance-tokens appearance-detail policy gap"
    assert [layer_label(layer) for layer in range(1, 8)] == labels.split()
    assert layer_label(99) == "layer-99"
