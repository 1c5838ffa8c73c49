"""Posts an event to a server of others: led nowhere else, and not held for long.

    POST --2xx--> taken
      |---any other answer, redirects too--> WebhookError
      '---none in time--------------------> UnreachableError

Redirects are not followed: whoever answers there does not choose where the cloud calls next. An answer is
read no further than its head, and that within `TIMEOUT_S`, however slowly it drips.
"""

import http.client
import io
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from wire.events import CONTENT_TYPE

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

TIMEOUT_S = 5.0  # for each step: to connect, to send, to answer


class WebhookError(RuntimeError):
    """A webhook did not take an event; the message says why."""


class UnreachableError(WebhookError):
    """Nobody answered, or nothing that is HTTP: the next call would wait as long for it."""


class _Hurried(io.RawIOBase):
    """What comes from a socket until a moment: each read has only what is left of the time."""

    def __init__(self, connected: socket.socket, most_s: float) -> None:
        self._socket = connected
        self._end_s = time.monotonic() + most_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        left_s = self._end_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left_s)
        return self._socket.recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)


def post(url: str, event: bytes, headers: Mapping[str, str]) -> None:
    """Post an event, or raise WebhookError; `headers` come beside its own."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    own = {"Content-Type": f"{CONTENT_TYPE}; charset=utf-8", "User-Agent": "mirage"}
    try:
        connection.request("POST", target, event, {**own, **headers})
        status = _status(connection.sock)
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(f"{parts.hostname}: {error or type(error).__name__}") from error
    except ValueError as error:
        raise WebhookError(f"{parts.hostname}: {error}") from error
    finally:
        connection.close()
    if not 200 <= status < 300:
        raise WebhookError(f"{parts.hostname}: answered {status}")


def _status(connected: socket.socket) -> int:
    # Of a socket, an answer uses `makefile` only.
    hurried = cast("socket.socket", _Hurried(connected, TIMEOUT_S))
    answer = http.client.HTTPResponse(hurried, method="POST")
    answer.begin()
    return answer.status
