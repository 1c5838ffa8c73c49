"""How long a device's connection may last, and how slowly a release may go through it.

30 s        of any connection: who says nothing takes nobody's place
1 h         of one through which a release is sent: then the device asks for the rest
`least`     bytes a second, of what the other side acknowledged in each 5 minutes of that hour
"""

import asyncio
import socket
import struct
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from cloud.identity.releases import PREFIX

LONGEST_S = 30.0
LONGEST_DOWNLOAD_S = 3600.0
WINDOW_S = 300.0  # so long may a link be away, and not cost a new connection
_ACKNOWLEDGED_AT = 120  # tcpi_bytes_acked, a u64 of struct tcp_info (linux/tcp.h)


class Pace:
    """Judges whole windows: in each, at least so many bytes a second. Pure."""

    def __init__(self, least_bytes_per_s: float, window_s: float, now_s: float) -> None:
        self._least = least_bytes_per_s
        self._window_s = window_s
        self._since_s = now_s
        self._had = 0

    def is_kept(self, delivered: int, now_s: float) -> bool:
        """Take how many bytes were delivered so far; False where a window ends with too few."""
        took_s = now_s - self._since_s
        if took_s < self._window_s:
            return True
        kept = delivered - self._had >= self._least * took_s
        self._since_s, self._had = now_s, delivered
        return kept


class Brief(H11Protocol):
    """Ends its connection after a while: uvicorn itself waits for a first request for ever."""

    least_bytes_per_s: ClassVar[float] = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        now_s = self.loop.time()
        self._last_s = now_s + LONGEST_DOWNLOAD_S
        self._pace = Pace(self.least_bytes_per_s, WINDOW_S, now_s)
        self._end = self.loop.call_later(LONGEST_S, self._end_it, transport)

    def _end_it(self, transport: asyncio.Transport) -> None:
        cycle, now_s = self.cycle, self.loop.time()
        is_sent = cycle is not None and not cycle.response_complete and cycle.scope["path"].startswith(PREFIX)
        delivered = _delivered(transport)
        in_time = now_s < self._last_s and (delivered is None or self._pace.is_kept(delivered, now_s))
        if is_sent and in_time:
            self._end = self.loop.call_later(LONGEST_S, self._end_it, transport)
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end.cancel()
        super().connection_lost(exc)


def brief(least_bytes_per_s: float) -> type[Brief]:
    """Make the protocol for a least rate: uvicorn makes connections of a class, and gives it no settings."""
    return type("Brief", (Brief,), {"least_bytes_per_s": least_bytes_per_s})


def _delivered(transport: asyncio.Transport) -> int | None:
    """Ask the kernel what the other side has acknowledged; None where it does not tell."""
    connection, option = transport.get_extra_info("socket"), getattr(socket, "TCP_INFO", None)
    if connection is None or option is None:
        return None
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, option, 512)
    except OSError:
        return None
    if len(info) < _ACKNOWLEDGED_AT + 8:
        return None
    (acknowledged,) = struct.unpack_from("=Q", info, _ACKNOWLEDGED_AT)
    return int(acknowledged)
