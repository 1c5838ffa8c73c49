"""Simulated devices in one process and one thread, which waits for all their sockets at once.

python -m mirage.fleet.process SETTINGS.json TOLD.json     ends when all is delivered, or time is up
"""

import gc
import heapq
import selectors
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from edge.address import Address
from edge.keys import Keys
from edge.pipeline import checked_planes
from edge.tls import Tls
from mirage.fleet.device import Device
from mirage.fleet.films import Films
from mirage.fleet.settings import BEGIN, Settings, Spec
from mirage.fleet.studio import Studio
from wire.bundle import Bundle

_LONGEST_WAIT_S = 0.5


class Crowd:
    """All devices of a process: whose socket has something, or whose time has come, gets its turn."""

    def __init__(self, devices: list[Device]) -> None:
        self._devices = devices
        self._selector = selectors.DefaultSelector()
        self._watched: dict[int, int] = {}  # place of the device -> descriptor
        self._queue = [(device.due_s, place) for place, device in enumerate(devices)]
        heapq.heapify(self._queue)

    def run(self, is_over: Callable[[], bool], *, films: bool) -> None:
        """Move all on until it is over."""
        while not is_over():
            wait_s = max(self._queue[0][0] - time.monotonic(), 0.0) if self._queue else _LONGEST_WAIT_S
            for key, _ in self._selector.select(min(wait_s, _LONGEST_WAIT_S)):
                self._tick(int(key.data), films=films)
            now_s = time.monotonic()
            while self._queue and self._queue[0][0] <= now_s:
                due_s, place = heapq.heappop(self._queue)
                if due_s >= self._devices[place].due_s:  # else it had its turn meanwhile
                    self._tick(place, films=films)
                heapq.heappush(self._queue, (self._devices[place].due_s, place))

    def begin(self) -> None:
        for device in self._devices:
            device.begin(time.monotonic())

    def is_done(self) -> bool:
        return all(device.is_done() for device in self._devices)

    def leave(self) -> None:
        for device in self._devices:
            device.leave()
        self._selector.close()

    def _tick(self, place: int, *, films: bool) -> None:
        device = self._devices[place]
        device.tick(time.monotonic(), films=films)
        self._watch(place, device.uplink.fileno())

    def _watch(self, place: int, descriptor: int) -> None:
        """Wait for the socket that a device has by now."""
        before = self._watched.pop(place, -1)
        if before != descriptor:
            if before >= 0:
                self._selector.unregister(before)
            if descriptor >= 0:
                self._selector.register(descriptor, selectors.EVENT_READ, place)
        self._watched[place] = descriptor


def run(settings: Settings, stop: Callable[[], bool]) -> list[Device]:
    """Film, deliver, leave; gives the devices, which can say what they did."""
    bundle = Bundle.load(Path(settings.bundle), "edge")
    codec = bundle.codec()
    films = Films(codec, [Path(name).read_bytes() for name in settings.films])
    studio = Studio(codec, checked_planes(bundle, None), films)
    folder = Path(settings.folder)
    cloud = load_pem_public_key((folder / "cloud.pub").read_bytes())
    devices = [Device(spec, settings, bundle, studio, _way(spec, settings, cloud)) for spec in settings.specs]
    gc.freeze()
    crowd = Crowd(devices)
    begin = folder / BEGIN
    crowd.run(lambda: stop() or begin.exists(), films=False)
    crowd.begin()
    end_s = time.monotonic() + float(begin.read_text()) + settings.film_s - time.time()
    crowd.run(lambda: stop() or time.monotonic() >= end_s, films=True)
    end_s = time.monotonic() + settings.drain_s
    crowd.run(lambda: crowd.is_done() or time.monotonic() >= end_s, films=False)
    crowd.leave()
    return devices


def _way(spec: Spec, settings: Settings, cloud: object) -> tuple[Keys, Address]:
    """Read what a device seals and connects with."""
    place = Path(settings.folder) / "devices" / spec.name
    own = load_pem_private_key(place.with_suffix(".key").read_bytes(), None)
    if not isinstance(own, EllipticCurvePrivateKey) or not isinstance(cloud, X25519PublicKey):
        raise TypeError(f"{place}.key, or the cloud's, is of another kind")
    tls = None
    if settings.has_tls:
        ca = str(Path(settings.folder) / "ca.pem")
        tls = Tls(ca, str(place.with_suffix(".pem")), str(place.with_suffix(".key")))
    return Keys(own, cloud), Address("127.0.0.1", settings.port, tls)


def main() -> None:
    """Run the process."""
    from mirage.log import log_to_stderr

    log_to_stderr(verbose=False)
    told, asked = Path(sys.argv[2]), list[int]()
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    settings = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Settings)
    devices = run(settings, lambda: bool(asked))
    partial = told.with_suffix(".partial")
    partial.write_bytes(msgspec.json.encode([device.told() for device in devices]))
    partial.replace(told)


if __name__ == "__main__":
    main()
