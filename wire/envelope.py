"""The envelope: a clear header around a packet body, sealed or not.

    magic     1 byte   0xA1: 0xA, then the version
    key id    1 byte   0 = the body is not sealed
    counter   varint   fresh at every publication; the nonce, where the body is sealed
    body               as it is, or ChaCha20-Poly1305 ciphertext and its 16-byte tag

A sealed body is bound to its topic and to the whole header. Whether a counter was seen before is the
store's business: an envelope keeps no memory of what it opened.
"""

from dataclasses import dataclass
from typing import Protocol

from wire import varint
from wire.packet import MAX_FRAME, PacketError

MAGIC = 0xA1
KEY_BYTES = 32
UNSEALED = 0


class EnvelopeError(PacketError):
    """The frame cannot be opened, or the body not be wrapped."""


@dataclass(frozen=True, slots=True)
class Header:
    """The part of a frame that anyone can read; `size` is its length in bytes."""

    key_id: int
    counter: int
    size: int


class Envelope(Protocol):
    """One direction of one connection."""

    def wrap(self, body: bytes, topic: str) -> bytes:
        """Make a frame of a body, with the next counter."""
        ...

    def unwrap(self, frame: bytes, topic: str) -> bytes:
        """Give the body of a frame that came under `topic`, or raise EnvelopeError."""
        ...


class PlainEnvelope:
    """Header only: for a broker that is trusted, and for files."""

    def __init__(self) -> None:
        self._counter = 0

    def wrap(self, body: bytes, topic: str) -> bytes:  # noqa: ARG002 -- part of the protocol
        frame = _header(UNSEALED, self._counter) + body
        self._counter += 1
        return _within_limit(frame)

    def unwrap(self, frame: bytes, topic: str) -> bytes:  # noqa: ARG002 -- part of the protocol
        header = read_header(frame)
        if header.key_id != UNSEALED:
            raise EnvelopeError(f"frame is sealed with key {header.key_id}, expected an unsealed one")
        return frame[header.size :]


class SealedEnvelope:
    """Sealed under `key`, which serves one direction only; its counter never repeats."""

    def __init__(self, key: bytes, key_id: int) -> None:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        if len(key) != KEY_BYTES:
            raise EnvelopeError(f"key has {len(key)} bytes, expected {KEY_BYTES}")
        if not 0 < key_id < 256:
            raise EnvelopeError(f"key id {key_id} is not between 1 and 255")
        self._cipher = ChaCha20Poly1305(key)
        self._invalid_tag = InvalidTag
        self._key_id = key_id
        self._counter = 0

    def wrap(self, body: bytes, topic: str) -> bytes:
        counter = self._counter
        self._counter = counter + 1
        return self.seal(counter, body, topic)

    def seal(self, counter: int, body: bytes, topic: str) -> bytes:
        """Make a frame under a counter of the caller's, who must never give one twice."""
        if not 0 <= counter <= varint.MAX_VALUE:
            raise EnvelopeError("counter is used up: a new key is due")
        header = _header(self._key_id, counter)
        sealed = self._cipher.encrypt(counter.to_bytes(12, "big"), body, topic.encode() + header)
        return _within_limit(header + sealed)

    def unwrap(self, frame: bytes, topic: str) -> bytes:
        return self.open(read_header(frame), frame, topic)

    def open(self, header: Header, frame: bytes, topic: str) -> bytes:
        """Do what `unwrap` does with a frame whose header was read already."""
        if header.key_id != self._key_id:
            raise EnvelopeError(f"frame has key id {header.key_id}, expected {self._key_id}")
        nonce = header.counter.to_bytes(12, "big")
        bound = topic.encode() + frame[: header.size]
        try:
            return self._cipher.decrypt(nonce, frame[header.size :], bound)
        except self._invalid_tag as error:
            raise EnvelopeError("frame was altered, or its key or topic is another") from error


def read_header(frame: bytes) -> Header:
    """Read the clear header, for instance to learn which key is needed."""
    if len(frame) > MAX_FRAME:
        raise EnvelopeError(f"frame has {len(frame)} bytes, limit is {MAX_FRAME}")
    if len(frame) < 3:
        raise EnvelopeError(f"{len(frame)} bytes are shorter than a header")
    if frame[0] != MAGIC:
        raise EnvelopeError(f"frame begins with {frame[0]:#04x}, expected {MAGIC:#04x}")
    try:
        counter, size = varint.decode(frame, 2)
    except varint.VarintError as error:
        raise EnvelopeError(str(error)) from error
    return Header(frame[1], counter, size)


def _header(key_id: int, counter: int) -> bytes:
    return bytes((MAGIC, key_id)) + varint.encode(counter)


def _within_limit(frame: bytes) -> bytes:
    if len(frame) > MAX_FRAME:
        raise EnvelopeError(f"frame has {len(frame)} bytes, limit is {MAX_FRAME}")
    return frame
