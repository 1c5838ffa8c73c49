"""What TCP/IP and TLS put around what is sent: an estimate, of sizes that go up.

    known exactly     segments and bytes that TCP has sent, where the kernel tells (Linux, TCP_INFO)
    taken for granted the size of a segment's headers
    otherwise         one segment and one TLS record for each message, one more segment for its receipt,
                      a handshake of as many bytes as the certificates have, and no loss

What a link puts around IP (Ethernet, PPP, a satellite's frames) is not in it, nor what comes down.
"""

import contextlib
import socket
import ssl
import struct
from dataclasses import dataclass
from math import ceil, log2
from pathlib import Path

_IPV4, _IPV6 = 20, 40
_TCP, _TIMESTAMPS = 20, 12
_SYN_MORE = 20  # options of the first segment: MSS, SACK, time stamps, window scale
_PAYLOAD = 1220  # of a segment, under the 1280-byte IPv6 minimum MTU
_RECORD, _RECORD_MOST = 22, 16384  # TLS 1.3: header, content type, tag; and what one holds
_HELLO = 1500  # ClientHello with a hybrid key share, certificate verification, Finished
_FIRST_RETRY_S = 1.0  # of a SYN; each is twice as late as the one before

# Linux, struct tcp_info: options; segs_out; bytes_sent, which came with 4.19; bytes_received; segs_in.
_OPTIONS_AT, _SEGMENTS_AT, _BYTES_AT, _LEAST = 5, 136, 200, 208
_RECEIVED_AT, _SEGMENTS_IN_AT = 128, 140
_TIMESTAMPS_BIT = 1


@dataclass(frozen=True, slots=True)
class Carried:
    """What TCP has sent on a connection: segments, bytes in them (again where lost), and headers.

    Or what has come on it: bytes count once then, however often they came.
    """

    segments: int
    stream_bytes: int
    header_bytes: int  # of all segments, SYN and ACK included

    @property
    def ip_bytes(self) -> int:
        """Count everything down to IP."""
        return self.stream_bytes + self.header_bytes


def carried_by(connection: socket.socket) -> Carried | None:
    """Ask the kernel what was sent; None where it does not tell, or the connection is closed."""
    return _counted(connection, _SEGMENTS_AT, _BYTES_AT)


def arrived_by(connection: socket.socket) -> Carried | None:
    """Ask the kernel what has come; None where it does not tell, or the connection is closed."""
    return _counted(connection, _SEGMENTS_IN_AT, _RECEIVED_AT)


def _counted(connection: socket.socket, segments_at: int, bytes_at: int) -> Carried | None:
    option = getattr(socket, "TCP_INFO", None)
    if option is None:
        return None
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, option, 512)
    except OSError:
        return None
    if len(info) < _LEAST:
        return None
    (segments,) = struct.unpack_from("=I", info, segments_at)
    (stream,) = struct.unpack_from("=Q", info, bytes_at)
    stamps = _TIMESTAMPS if info[_OPTIONS_AT] & _TIMESTAMPS_BIT else 0
    each = header_bytes(connection.family, stamps)
    return Carried(segments, stream, segments * each + (_SYN_MORE - stamps if segments else 0))


def give_up_after(connection: socket.socket, silent_s: float) -> None:
    """Let TCP end the connection where nothing it sent is acknowledged for so long, as far as it can."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        with contextlib.suppress(OSError):  # a PUBACK that does not come tells as much
            milliseconds = round(silent_s * 1000)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def header_bytes(family: int = socket.AF_INET, stamps: int = _TIMESTAMPS) -> int:
    """Count the headers of one segment."""
    return (_IPV6 if family == socket.AF_INET6 else _IPV4) + _TCP + stamps


def message_bytes(size: int, *, tls: bool, answered: bool) -> int:
    """Estimate what goes around a message of so many bytes, and around the receipt for its answer, if any."""
    records = _RECORD * ceil(size / _RECORD_MOST) if tls else 0
    segments = ceil((size + records) / _PAYLOAD) + answered
    return records + segments * header_bytes()


def connection_bytes(certificate_bytes: int | None) -> int:
    """Estimate what opening and closing a connection takes; None: without TLS."""
    plain = 5 * header_bytes() + _SYN_MORE - _TIMESTAMPS  # SYN, ACK; FIN, ACK of the other's; one more
    return plain if certificate_bytes is None else plain + handshake_bytes(certificate_bytes)


def closing_bytes() -> int:
    """Estimate what is sent after the kernel was last asked: FIN, and the receipt for the other's."""
    return 2 * header_bytes()


def handshake_bytes(certificate_bytes: int) -> int:
    """Estimate the TLS handshake of a device that shows so many bytes of certificates."""
    size = _HELLO + certificate_bytes + 3 * _RECORD
    return size + ceil(size / _PAYLOAD) * header_bytes()


def attempt_bytes(waited_s: float) -> int:
    """Estimate what asking for a connection in vain takes: a SYN, and one more whenever the wait doubles."""
    again = int(log2(waited_s / _FIRST_RETRY_S + 1)) if waited_s >= _FIRST_RETRY_S else 0
    return (1 + again) * (header_bytes() - _TIMESTAMPS + _SYN_MORE)


def certificate_bytes(path: Path) -> int:
    """Count the certificates in a PEM file as they are sent (DER); 0 where it cannot be read."""
    try:
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return 0
    end = "-----END CERTIFICATE-----"
    parts = [part + end for part in text.split(end)[:-1]]
    return sum(len(_der(part[part.find("-----BEGIN CERTIFICATE-----") :])) for part in parts)


def _der(pem: str) -> bytes:
    try:
        return ssl.PEM_cert_to_DER_cert(pem)
    except ValueError:
        return b""
