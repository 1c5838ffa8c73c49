"""The recording: a file that is whole, or an error that says where it is not."""

import pytest

from wire import recording
from wire.documents import Birth, CameraInfo
from wire.envelope import PlainEnvelope, SealedEnvelope
from wire.packet import Packet
from wire.recording import RecordingError

CAMERA = CameraInfo("clip", 64, 36, 25.0)
BIRTH = Birth("dev", "0" * 16, 0, 0, "mirage 0", "tiny", "a" * 16, (CAMERA,))
PACKETS = (
    Packet(0, 0, 2000, {1: b"abc", 4: bytes(200)}, refresh=True),
    Packet(1, 2000, 2000, {1: b""}),
    Packet(2, 4000, 500, {1: b"", 2: b"\0"}, still=True),
)
JSON = (
    b'{"device":"dev","boot_id":"0000000000000000","boot_wall_ms":0,"wall_error_ms":0,"software":"mirage 0",'
    b'"bundle":"tiny","bundle_sha256":"aaaaaaaaaaaaaaaa",'
    b'"cameras":[{"name":"clip","width":64,"height":36,"fps":25.0}]}'
)


def written() -> bytes:
    envelope = PlainEnvelope()
    return recording.write(BIRTH, [envelope.wrap(bytes(packet), "") for packet in PACKETS])


def test_recording_has_the_documented_bytes() -> None:
    frame = PlainEnvelope().wrap(bytes(PACKETS[1]), "")
    frames = bytes.fromhex("0b  a1 00 00  00 01 d00f d00f 81 00    00")
    assert recording.write(BIRTH, [frame]) == b"MRG1" + bytes.fromhex("d701") + JSON + frames


def test_recording_is_read_back() -> None:
    read = recording.parse(written())
    assert read.birth == BIRTH
    assert read.camera == CAMERA
    assert read.packets == PACKETS
    assert read.frame_sizes == tuple(len(bytes(packet)) + 3 for packet in PACKETS)


def test_a_recording_cut_at_any_byte_is_refused() -> None:
    whole = written()
    for length in range(len(whole)):
        with pytest.raises(RecordingError):
            recording.parse(whole[:length])


def test_the_error_says_where_and_which_packet() -> None:
    whole = written()
    with pytest.raises(RecordingError, match=f"cut off at byte {len(whole) - 3}, within packet 2"):
        recording.parse(whole[:-3])
    with pytest.raises(RecordingError, match=f"cut off at byte {len(whole) - 1}, before packet 3"):
        recording.parse(whole[:-1])
    damaged = bytearray(whole)
    damaged[-8] ^= 0xE0  # the last packet's flags
    with pytest.raises(RecordingError, match="packet 2 at byte"):
        recording.parse(bytes(damaged))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "not a recording", id="empty"),
        pytest.param(b"\0\0\0\x20ftypmp42", "not a recording", id="MP4"),
        pytest.param(b"MRG2\0", "not a recording", id="another version"),
        pytest.param(b"MRG1\xff\xff\xff\x7f", "claims 268435455 bytes, limit", id="huge header"),
        pytest.param(b"MRG1\x02{}", "header: birth", id="header is no birth"),
        pytest.param(written() + b"x", "1 bytes follow", id="bytes behind the end"),
    ],
)
def test_what_is_no_recording_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(RecordingError, match=reason):
        recording.parse(data)


def test_a_sealed_frame_is_no_part_of_a_recording() -> None:
    sealed = SealedEnvelope(bytes(32), 1).wrap(bytes(PACKETS[0]), "")
    with pytest.raises(RecordingError, match=r"packet 0 at byte .* sealed with key 1"):
        recording.parse(recording.write(BIRTH, [sealed]))


def test_a_recording_has_one_camera() -> None:
    two = Birth("dev", "0" * 16, 0, 0, "s", "tiny", "a" * 16, (CAMERA, CameraInfo("other", 4, 4, 1.0)))
    with pytest.raises(RecordingError, match="2 cameras"):
        recording.write(two, [])


def test_a_recording_may_be_empty() -> None:
    assert recording.parse(recording.write(BIRTH, [])).packets == ()
