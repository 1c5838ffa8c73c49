"""Counts the IP packets that go to a port of this machine, as they are, headers included.

    loopback --filter: TCP to the port--> packet socket --> bytes

Linux only, and only for who may capture packets (root, or CAP_NET_RAW).
"""

import contextlib
import ctypes
import socket
import struct
import threading
from collections.abc import Iterator

_ETH_P_IP, _ATTACH_FILTER, _HOST = 0x0800, 26, 0
_POLL_S = 0.1
_QUEUE_BYTES = 4 << 20
_HEADERS = 120  # read of each packet


class CaptureError(OSError):
    """Packets cannot be captured; the message says why."""


class Capture:
    """Counts from `start` to `stop`: `ip_bytes` of `packets` that went to the port."""

    def __init__(self, port: int) -> None:
        self.packets = 0
        self.ip_bytes = 0
        self._port = port
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def start(self) -> None:
        """Begin, or raise CaptureError."""
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_IP))
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _QUEUE_BYTES)
            _attach(self._socket, self._port)
            self._socket.bind(("lo", _ETH_P_IP))
        except (OSError, AttributeError) as error:
            raise CaptureError(f"packets cannot be captured (root or CAP_NET_RAW can): {error}") from error
        self._socket.settimeout(_POLL_S)
        self._thread.start()

    def stop(self) -> None:
        """End, once nothing more comes."""
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while True:
            try:
                header, (_, _, sort, *_) = self._socket.recvfrom(_HEADERS)
            except TimeoutError:
                if self._ended.is_set():
                    return
                continue
            if sort == _HOST:  # each packet is also seen as it leaves
                self.packets += 1
                self.ip_bytes += int.from_bytes(header[2:4], "big")  # total length


@contextlib.contextmanager
def captured(port: int) -> Iterator[Capture]:
    """Capture while the body runs. Raises CaptureError."""
    capture = Capture(port)
    capture.start()
    try:
        yield capture
    finally:
        capture.stop()


def _attach(connection: socket.socket, port: int) -> None:
    """Let the kernel pass on only IPv4 TCP to this port (classic BPF, from the IP header on)."""
    program = (
        (0x30, 0, 0, 9),  # protocol
        (0x15, 0, 4, socket.IPPROTO_TCP),  # else refuse
        (0xB1, 0, 0, 0),  # length of the IP header
        (0x48, 0, 0, 2),  # port of destination
        (0x15, 0, 1, port),  # else refuse
        (0x06, 0, 0, 0xFFFF),  # take
        (0x06, 0, 0, 0),  # refuse
    )
    code = b"".join(struct.pack("=HBBI", *step) for step in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    option = struct.pack("@HP", len(program), ctypes.addressof(buffer))
    connection.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, option)
