"""A network camera that can be unplugged: MPEG-TS over HTTP, from this process."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class LiveCamera:
    """Serves `stream` once to everyone who connects, then hangs up."""

    def __init__(self, stream: bytes, port: int = 0) -> None:
        self._stream = stream
        self.served = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="live-camera")
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/stream.ts"

    def unplug(self) -> None:
        """Stop answering at all."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        camera, stream = self, self._stream

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera.served += 1
                self.send_response(200)
                self.send_header("Content-Type", "video/mp2t")
                self.end_headers()
                self.wfile.write(stream)

            def log_message(self, *_: object) -> None:
                """Say nothing on stderr."""

        return Handler
