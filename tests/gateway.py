"""What stands between a cloud and its object store, and is as bad as a test wants it to be.

with gateway(s3.url) as way:            way.url is the store's, until
    way.mood = "refuses writes"         answers 503 to all that writes or removes
    way.mood = "breaks off writes"      passes on half of what is written, and hangs up
    way.mood = "hangs"                  takes a request, and never answers
"""

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Mood = Literal["well", "refuses writes", "breaks off writes", "hangs"]

_PATIENCE_S = 60.0
_HOP = ("connection", "transfer-encoding")  # between two neighbours only


class Gateway:
    """Passes requests on to `upstream` (HOST:PORT), as its mood is; counts them by method in `seen`.

    It is well again after `heals_after` requests, if that is given.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.url = ""
        self.mood: Mood = "well"
        self.heals_after: int | None = None
        self.seen = list[str]()
        self.over = threading.Event()


@contextmanager
def gateway(url: str) -> Iterator[Gateway]:
    """Open one in front of a store."""
    way = Gateway(urlsplit(url).netloc)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"way": way}))
    server.daemon_threads = True
    way.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="gateway")
    thread.start()
    try:
        yield way
    finally:
        way.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    way: Gateway
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:  # a client that does not wait any more
            self.close_connection = True

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        if len(self.way.seen) == self.way.heals_after:
            self.way.mood = "well"
        self.way.seen.append(self.command)
        writes = self.command in ("PUT", "POST", "DELETE")
        if self.way.mood == "hangs":
            self.way.over.wait(_PATIENCE_S)
            self.close_connection = True
        elif writes and self.way.mood == "refuses writes":
            self._answer(503, {}, b"<Error><Code>SlowDown</Code><Message>Reduce your rate.</Message></Error>")
        elif self.command == "PUT" and self.way.mood == "breaks off writes":
            self._break_off(body)
        else:
            self._forward(body)

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._pass
        raise AttributeError(name)

    def _forward(self, body: bytes) -> None:
        upstream = http.client.HTTPConnection(self.way.upstream, timeout=_PATIENCE_S)
        try:
            upstream.request(self.command, self.path, body, dict(self.headers.items()))
            answer = upstream.getresponse()
            headers = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            self._answer(answer.status, headers, answer.read())
        finally:
            upstream.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _break_off(self, body: bytes) -> None:
        """Send the head and half of the body on, then end both connections."""
        host, _, port = self.way.upstream.partition(":")
        head = [f"{self.command} {self.path} HTTP/1.1", *(f"{k}: {v}" for k, v in self.headers.items())]
        with socket.create_connection((host, int(port)), _PATIENCE_S) as upstream:
            upstream.sendall("\r\n".join([*head, "", ""]).encode("latin-1") + body[: len(body) // 2])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""
