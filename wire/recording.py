"""The recording (.mrg): the packets of one video in one file.

magic     b"MRG1"
header    varint length, then a birth as JSON; its single camera is the source
frames    each: varint length, then an unsealed frame (topic "")
end       a zero byte, so that a file cut between two frames is noticed too
"""

from collections.abc import Iterable
from dataclasses import dataclass

from wire import documents, varint
from wire.documents import Birth, CameraInfo
from wire.envelope import PlainEnvelope
from wire.packet import MAX_FRAME, Packet, PacketError

MAGIC = b"MRG1"


class RecordingError(ValueError):
    """The bytes are no recording; the message says where, and which packet is hurt."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording as read; `frame_sizes` are the bytes of each packet with its header."""

    birth: Birth
    packets: tuple[Packet, ...]
    frame_sizes: tuple[int, ...]

    @property
    def camera(self) -> CameraInfo:
        return self.birth.cameras[0]


def write(birth: Birth, frames: Iterable[bytes]) -> bytes:
    """Put a header and unsealed frames into one file's content."""
    if len(birth.cameras) != 1:
        raise RecordingError(f"birth has {len(birth.cameras)} cameras, a recording has one")
    header = documents.encode(birth)
    parts = [MAGIC, varint.encode(len(header)), header]
    for frame in frames:
        parts += (varint.encode(len(frame)), frame)
    return b"".join((*parts, b"\0"))


def parse(data: bytes) -> Recording:
    """Read a recording, or raise RecordingError."""
    if data[: len(MAGIC)] != MAGIC:
        raise RecordingError(f"begins with {data[:4]!r}, expected {MAGIC!r}: not a recording")
    header, offset = _block(data, len(MAGIC), "the header", documents.MAX_DOCUMENT)
    try:
        birth = documents.decode_birth(header)
    except documents.DocumentError as error:
        raise RecordingError(f"header: {error}") from error
    if len(birth.cameras) != 1:
        raise RecordingError(f"header names {len(birth.cameras)} cameras, expected one")
    envelope, packets, sizes = PlainEnvelope(), list[Packet](), list[int]()
    while True:
        start, what = offset, f"packet {len(packets)}"
        frame, offset = _block(data, start, what, MAX_FRAME)
        if not frame:
            break
        try:
            packets.append(Packet.parse(envelope.unwrap(frame, "")))
        except PacketError as error:
            raise RecordingError(f"{what} at byte {start}: {error}") from error
        sizes.append(len(frame))
    if offset != len(data):
        raise RecordingError(f"{len(data) - offset} bytes follow the end at byte {offset}")
    return Recording(birth, tuple(packets), tuple(sizes))


def _block(data: bytes, offset: int, what: str, limit: int) -> tuple[bytes, int]:
    try:
        length, start = varint.decode(data, offset)
    except varint.VarintError as error:
        cut = f"cut off at byte {len(data)}, before {what}" if offset >= len(data) else f"{what}: {error}"
        raise RecordingError(cut) from error
    if length > limit:
        raise RecordingError(f"{what} at byte {offset} claims {length} bytes, limit is {limit}")
    if start + length > len(data):
        raise RecordingError(f"cut off at byte {len(data)}, within {what} (needs {start + length} bytes)")
    return data[start : start + length], start + length
