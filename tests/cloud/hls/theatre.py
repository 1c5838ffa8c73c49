"""A server of streams, a camera that films in real time, and a renderer that takes as long as it is told."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from fastapi import FastAPI

from cloud.api import Health, create_api
from cloud.hls.films import Films
from cloud.hls.live import Live
from cloud.hls.recorded import Recorded
from cloud.hls.routes import routes
from cloud.serve import listen, serve
from cloud.viewing import Viewing
from tests.cloud.desk import Desk
from tests.cloud.hls.cinema import Cinema, clip
from tests.cloud.sample import Device
from tests.cloud.web import TRUST, open_to_all

SEGMENT_MS = 500
FRAMES = 5
LEVEL_STEP = 10


@dataclass(frozen=True)
class Theatre:
    """What serves, and what it serves from."""

    address: str
    http: httpx.Client
    live: Live
    cinema: Cinema
    desk: Desk


@contextmanager
def theatre(
    desk: Desk, folder: Path, extend: Callable[[FastAPI], None] = lambda _app: None
) -> Iterator[Theatre]:
    """Serve for real, on a free port of the loopback, with rounds as in the product."""
    cinema, stop = Cinema(desk.store, folder), threading.Event()
    films = Films(cinema.objects)
    live = Live(desk.store, films)
    app = create_api(Viewing(desk.store, cinema.objects), lambda: Health(ok=True, troubles={}, messages={}))
    app.include_router(routes(live, Recorded(desk.store, films), hold_s=5.0))
    extend(app)
    with listen("127.0.0.1", 0) as listening:
        threads = [
            threading.Thread(target=serve, args=(open_to_all(app), listening, stop), name="serve"),
            threading.Thread(target=live.run, args=(stop,), name="live"),
        ]
        for thread in threads:
            thread.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            with httpx.Client(base_url=address, timeout=60, verify=TRUST) as client:
                yield Theatre(address, client, live, cinema, desk)
        finally:
            stop.set()
            for thread in threads:
                thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def level_of(packet_id: int) -> int:
    """Tell how bright a segment is filmed to be, in its middle."""
    return 40 + LEVEL_STEP * (packet_id % 18)


@contextmanager
def filming(theatre: Theatre, device: Device, *, renders: Callable[[int], bool]) -> Iterator[None]:
    """Send a segment every half a second; those that are asked for and that it `renders` are made at once."""
    stop = threading.Event()
    theatre.desk.deliver(device.topics.birth, device.birth(time.time_ns() // 1_000_000))

    def film() -> None:
        begin_s = time.monotonic()
        while not stop.wait(max(begin_s + (device.sequence + 1) * SEGMENT_MS / 1000 - time.monotonic(), 0)):
            packet = device.packet(duration_ms=SEGMENT_MS)
            at_ms = time.time_ns() // 1_000_000
            theatre.desk.deliver(device.topics.sem("gate"), device.frame(packet), at_ms)
            for packet_id, state in theatre.cinema.jobs().items():
                if state == "queued" and renders(packet_id):
                    theatre.cinema.render(packet_id, clip(level_of(packet_id) - FRAMES // 2, FRAMES))

    thread = threading.Thread(target=film, name="film")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
