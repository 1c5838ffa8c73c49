"""A broker that answers as it is told, byte by byte: what no real one can be made to do."""

import socket
import threading
from collections.abc import Callable

ACCEPTED = bytes.fromhex("2003000000")  # CONNACK of MQTT 5, no properties
SUBACK, PUBACK, PINGRESP = 0x90, 0x40, b"\xd0\x00"

Answer = Callable[[int, bytes], bytes]  # of a packet's first byte and its rest


class WireBroker:
    """Takes one client after the other; `answer` says what each packet is answered with, b"" for nothing."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.packets: list[tuple[int, bytes]] = []
        self._thread = threading.Thread(target=self._serve, name="wire-broker")
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(60)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            with client:
                self._talk(client)

    def _talk(self, client: socket.socket) -> None:
        file = client.makefile("rb")
        try:
            while first := file.read(1):
                size, shift = 0, 0
                while True:
                    (byte,) = file.read(1)
                    size |= (byte & 127) << shift
                    shift += 7
                    if byte < 128:
                        break
                rest = file.read(size)
                self.packets.append((first[0], rest))
                client.sendall(self._answer(first[0], rest))
        except (OSError, ValueError):
            pass  # the client has gone
        finally:
            file.close()


def polite(first: int, rest: bytes, connack: bytes = ACCEPTED) -> bytes:
    """Answer as a broker that takes everything."""
    kind = first >> 4
    if kind == 1:
        return connack
    if kind == 8:
        return bytes((SUBACK, 5)) + rest[:2] + b"\0\1\1"
    if kind == 12:
        return PINGRESP
    if kind == 3 and first & 6:
        size = int.from_bytes(rest[:2], "big")
        return bytes((PUBACK, 2)) + rest[2 + size : 4 + size]
    return b""
