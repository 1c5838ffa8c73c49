"""A device without a camera: the agent's own spool, keys and uplink, and packets of a recording without end.

Reel --> packets --> Spool --> Uplink --sealed, QoS 1--> broker
"""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from msgspec import structs

from edge.address import Address
from edge.clock import BootClock
from edge.config import load as load_config
from edge.crew import Crew
from edge.keys import load_keys
from edge.session import SealedSession
from edge.spool import Spool
from edge.uplink import Parts, Uplink
from mirage.demo.setup import CAMERA, DEVICE, SITE, TENANT
from mirage.errors import DemoError
from mirage.recordings import Opened
from wire.documents import Birth
from wire.packet import Packet
from wire.topics import DeviceTopics

if TYPE_CHECKING:
    from typing_extensions import Self

_DRAIN_S = 30.0


def reel(opened: Opened, begin_ms: int) -> Iterator[Packet]:
    """Play a recording again and again, each time after a cut, as one that begins `begin_ms` after boot."""
    packets = opened.recording.packets
    first, last = packets[0], packets[-1]
    length_ms = last.captured_ms + last.duration_ms - first.captured_ms
    for number in count():
        turn, place = divmod(number, len(packets))
        packet = packets[place]
        captured_ms = begin_ms + turn * length_ms + packet.captured_ms - first.captured_ms
        yield replace(packet, sequence=number, captured_ms=captured_ms, cut=packet.cut or place == 0)


class Device:
    """Publishes what it is given, from when it is entered until it is left. It was on for `on_ms` by then."""

    def __init__(self, settings: Path, opened: Opened, on_ms: int) -> None:
        """Read the agent's settings. Raises ConfigError, SpoolError."""
        config = load_config(settings)
        now = BootClock.start()
        self.clock = replace(
            now, zero_ns=now.zero_ns - on_ms * 1_000_000, boot_wall_ms=now.boot_wall_ms - on_ms
        )
        self._spool = Spool(Path(config.spool.path))
        topics = DeviceTopics(TENANT, SITE, DEVICE)
        keys = load_keys(config)
        if keys is None:
            raise DemoError(f"{settings}: broker.envelope is none, and sealed packets are measured")
        session = SealedSession(keys, topics, self._spool.boot_id, os.urandom)
        parts = replace(Parts.plain(), session=session)
        address = Address(config.broker.host, config.broker.port or 1883)
        self._uplink = Uplink(address, topics, self._spool, self._birth(opened), parts)
        self._crew, self._finish = Crew(), threading.Event()

    def __enter__(self) -> "Self":
        self._crew.start("uplink", partial(self._uplink.run, self._finish, _DRAIN_S))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finish.set()
        self._crew.join()
        self._spool.close()

    def publish(self, packet: Packet) -> int:
        """Spool a packet, which the uplink then sends; give the wall time at which it was made (ms)."""
        if self._crew.failed.is_set():
            raise DemoError("the device's uplink has failed")
        made_ms = time.time_ns() // 1_000_000
        self._spool.append(packet.sequence, CAMERA, bytes(packet))
        return made_ms

    def now_ms(self) -> int:
        """Give the time since boot."""
        return self.clock.now_us() // 1000

    def wall_ms(self, captured_ms: int) -> int:
        """Give the wall time of a time since boot."""
        return self.clock.boot_wall_ms + captured_ms

    def _birth(self, opened: Opened) -> Birth:
        recorded = opened.recording
        return Birth(
            device=DEVICE,
            boot_id=self._spool.boot_id.hex(),
            boot_wall_ms=self.clock.boot_wall_ms,
            wall_error_ms=self.clock.wall_error_ms,
            software="mirage bench",
            bundle=recorded.birth.bundle,
            bundle_sha256=recorded.birth.bundle_sha256,
            cameras=(structs.replace(recorded.camera, name=CAMERA),),
        )
