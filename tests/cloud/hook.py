"""A server of somebody else that the cloud calls."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Posted(NamedTuple):
    """What came; names of headers in small letters."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Hook:
    """Keeps what is posted to it, and answers as it is told; `before` is called before it does."""

    def __init__(self) -> None:
        hook = self
        self.answer = 204
        self.before: Callable[[], None] = lambda: None
        self.posts: list[Posted] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                hook.posts.append(Posted(self.path, headers, body))
                hook.before()
                self.send_response(hook.answer)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/hooks"


@contextmanager
def listening() -> Iterator[Hook]:
    """Run one."""
    hook = Hook()
    thread = threading.Thread(target=hook.server.serve_forever, name="hook")
    thread.start()
    try:
        yield hook
    finally:
        hook.server.shutdown()
        hook.server.server_close()
        thread.join()
