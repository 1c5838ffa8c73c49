"""Birth, state and ack: what they look like, what is refused."""

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import documents
from wire.documents import Ack, AckWatermark, Birth, CameraInfo, DocumentError, State

BOOT = "0123456789abcdef"
BIRTH = Birth(
    device="dev-1",
    boot_id=BOOT,
    boot_wall_ms=1_700_000_000_000,
    wall_error_ms=50,
    software="mirage 0.1.0",
    bundle="tiny",
    bundle_sha256="fedcba9876543210",
    cameras=(CameraInfo("cam0", 1280, 720, 25.0),),
)
BIRTH_JSON = (
    b'{"device":"dev-1","boot_id":"0123456789abcdef","boot_wall_ms":1700000000000,"wall_error_ms":50,'
    b'"software":"mirage 0.1.0","bundle":"tiny","bundle_sha256":"fedcba9876543210",'
    b'"cameras":[{"name":"cam0","width":1280,"height":720,"fps":25.0}]}'
)
ACK = Ack({BOOT: AckWatermark(41, ((3, 5), (9, 9)))})
ACK_JSON = b'{"boots":{"0123456789abcdef":{"highest":41,"holes":[[3,5],[9,9]]}}}'


def test_documents_have_the_documented_text() -> None:
    assert documents.encode(BIRTH) == BIRTH_JSON
    assert documents.encode(State("ready", BOOT)) == b'{"state":"ready","boot_id":"0123456789abcdef"}'
    assert documents.encode(ACK) == ACK_JSON


def test_documents_are_read_back() -> None:
    assert documents.decode_birth(BIRTH_JSON) == BIRTH
    assert documents.decode_birth(BIRTH_JSON).camera("cam0").width == 1280
    assert documents.decode_state(documents.encode(State("lost", BOOT))) == State("lost", BOOT)
    assert documents.decode_ack(ACK_JSON) == ACK


def test_every_prefix_is_refused() -> None:
    for length in range(len(BIRTH_JSON)):
        with pytest.raises(DocumentError, match="birth"):
            documents.decode_birth(BIRTH_JSON[:length])
    for length in range(len(ACK_JSON)):
        with pytest.raises(DocumentError, match="ack"):
            documents.decode_ack(ACK_JSON[:length])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        pytest.param(b'"device":"dev-1"', b'"device":"Dev"', "device", id="device is no id"),
        pytest.param(b'"device"', b'"colour":"red","device"', "colour", id="unknown field"),
        pytest.param(b'"device"', b'"schema":2,"device"', "schema", id="later schema"),
        pytest.param(b'"boot_id":"0', b'"boot_id":"X', "boot_id", id="boot id is not hex"),
        pytest.param(b"25.0", b"0", "fps", id="no frames a second"),
        pytest.param(b"25.0", b"1e999", "birth", id="endless frames a second"),
        pytest.param(b"1280", b"-1", "width", id="negative width"),
        pytest.param(b'"cam0"', b'"cmd"', "'cmd' is reserved", id="reserved camera name"),
        pytest.param(b'"cam0"', b'"cam0\\n"', "name", id="line feed in a name"),
        pytest.param(b'"bundle":"tiny",', b"", "bundle", id="field missing"),
        pytest.param(b"mirage 0.1.0", b"\xff", "birth", id="not UTF-8"),
    ],
)
def test_a_bad_birth_is_refused_by_field(old: bytes, new: bytes, reason: str) -> None:
    with pytest.raises(DocumentError, match=reason):
        documents.decode_birth(BIRTH_JSON.replace(old, new))


def test_a_birth_with_a_camera_twice_cannot_be_built() -> None:
    camera = CameraInfo("cam0", 64, 64, 1.0)
    with pytest.raises(DocumentError, match="twice"):
        Birth("d", BOOT, 0, 0, "s", "b", BOOT, (camera, camera))


def test_what_would_be_refused_cannot_be_written() -> None:
    with pytest.raises(DocumentError, match="width"):
        documents.encode(Birth("d", BOOT, 0, 0, "s", "b", BOOT, (CameraInfo("c", 0, 9, 25.0),)))
    with pytest.raises(DocumentError, match="boot_id"):
        documents.encode(State("ready", "short"))


def test_a_document_of_more_than_64_kib_is_refused_unread() -> None:
    with pytest.raises(DocumentError, match="limit"):
        documents.decode_birth(b" " * 65537)


def test_a_deeply_nested_document_is_refused() -> None:
    with pytest.raises(DocumentError):
        documents.decode_ack(b"[" * 60_000)


@pytest.mark.parametrize("holes", [((5, 3),), ((3, 5), (5, 6)), ((9, 9), (3, 5)), ((40, 41),)], ids=str)
def test_holes_must_ascend_below_the_highest(holes: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(DocumentError, match="hole"):
        AckWatermark(41, holes)


def test_a_watermark_covers_what_is_stored() -> None:
    mark = AckWatermark(41, ((3, 5), (9, 9)))
    assert [s for s in range(45) if not mark.covers(s)] == [3, 4, 5, 9, 42, 43, 44]


def test_mutated_documents_parse_or_raise_document_error() -> None:
    chance = random.Random(2)
    for _ in range(5000):
        data = bytearray(chance.choice([BIRTH_JSON, ACK_JSON]))
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        for decode in (documents.decode_birth, documents.decode_state, documents.decode_ack):
            with contextlib.suppress(DocumentError):
                decode(bytes(data))


@given(st.binary(max_size=100))
def test_arbitrary_bytes_raise_document_error(data: bytes) -> None:
    with pytest.raises(DocumentError):
        documents.decode_birth(data)
