"""A clip as a camera that never ends: MPEG-TS over HTTP on the loopback, at its own pace, again and again.

FILE --packets, not decoded--> times go on from loop to loop --> http://127.0.0.1:PORT/camera.ts
"""

import contextlib
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path
from threading import Event, Thread

import av
from av.error import FFmpegError

from mirage.errors import InputError


@contextlib.contextmanager
def looped(video: Path) -> Iterator[str]:
    """Serve a clip while the body runs, and give its address. Raises InputError for what is no video."""
    _check(video)
    stop = Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            with contextlib.suppress(ConnectionError, FFmpegError):  # whoever looked has seen enough
                _play(video, self.wfile, stop)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.1,), name="looped", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/camera.ts"
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _check(video: Path) -> None:
    try:
        with av.open(str(video)) as source:
            if not source.streams.video:
                raise InputError(f"{video}: has no video")
    except (FFmpegError, OSError) as error:
        raise InputError(f"{video}: {error}") from error


def _play(video: Path, to: BufferedIOBase, stop: Event) -> None:
    """Write the stream until `stop`. Raises ConnectionError where nobody reads any more."""
    begun_s = time.monotonic()
    behind = 0  # where the next loop begins, in units of the stream's time base
    with av.open(str(video)) as first, av.open(_Pipe(to), "w", format="mpegts") as out:
        stream = out.add_stream_from_template(first.streams.video[0])
        while not stop.is_set():
            shift: int | None = None
            with av.open(str(video)) as source:
                for packet in source.demux(video=0):
                    if packet.dts is None or packet.time_base is None:
                        continue
                    shift = behind - packet.dts if shift is None else shift  # the first may be before zero
                    pts = packet.dts if packet.pts is None else packet.pts
                    packet.dts, packet.pts = packet.dts + shift, pts + shift
                    behind = packet.dts + max(packet.duration or 0, 1)
                    at_s = begun_s + float(packet.dts * packet.time_base)
                    if stop.wait(max(at_s - time.monotonic(), 0)):
                        return
                    packet.stream = stream
                    out.mux(packet)
            if shift is None:  # nothing can be read any more
                return


class _Pipe:
    """What PyAV writes to; it does not seek."""

    def __init__(self, to: BufferedIOBase) -> None:
        self._to = to

    def write(self, data: bytes) -> int:
        self._to.write(data)
        self._to.flush()
        return len(data)
