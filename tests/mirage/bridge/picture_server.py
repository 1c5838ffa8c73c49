"""A server with thumbnails, that notes what it is asked and may answer otherwise."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

JPEG = b"\xff\xd8\xff\xe0 a picture"


@dataclass
class PictureServer:
    """Answers every path with a JPEG and the path in it, but for those in `answers`."""

    url: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)  # path, authorization
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)


def picture_of(path: str) -> bytes:
    """Give the picture that is served under a path."""
    return JPEG + path.encode()


@contextmanager
def picture_server() -> Iterator[PictureServer]:
    """Serve on a loopback port."""
    state = PictureServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append((self.path, self.headers["Authorization"]))
            status, headers, body = state.answers.get(self.path, (200, {}, picture_of(self.path)))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, name="pictures of the test")
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
