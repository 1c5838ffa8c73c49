"""A real device: spool, keys, uplink and commands; only its cameras are made up."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edge.address import Address
from edge.allowance import Limits
from edge.budget import Budget
from edge.commands import Arguments, Commands
from edge.keys import Keys
from edge.session import SealedSession
from edge.spool import Spool
from edge.tls import Tls
from edge.uplink import Parts, Uplink
from edge.watch import Watch
from tests.edge.cloud import wait_for
from tests.pki import Credentials
from tests.security.world import World
from wire.documents import Birth, CameraInfo, Value
from wire.packet import Layer, Packet
from wire.topics import DeviceTopics


def packet(sequence: int, text: bytes = b"seen") -> bytes:
    """Make a packet that needs no other."""
    return bytes(Packet(sequence, sequence * 2000, 2000, {Layer.CAPTION: text}, refresh=True))


@dataclass
class Handled:
    """What a device was made to do, by verb."""

    calls: list[tuple[str, dict[str, Value]]] = field(default_factory=list)

    def handler(self, verb: str) -> Callable[[Arguments], dict[str, Value]]:
        def carry_out(arguments: Arguments) -> dict[str, Value]:
            self.calls.append((verb, dict(arguments)))
            return {}

        return carry_out

    @property
    def dangerous(self) -> list[str]:
        """Name what was done beside answering pings."""
        return [verb for verb, _ in self.calls if verb != "ping"]


class Edge:
    """A device: each `boot` is a start of its process over the same spool; `connect` runs its uplink."""

    def __init__(self, world: World, port: int, topics: DeviceTopics, folder: Path) -> None:
        self.topics = topics
        self.handled = Handled()
        self._world = world
        self._port = port
        self._path = folder / f"{topics.device}.db"
        self._sequence = 0
        self.boot()

    @property
    def device_key(self) -> Credentials:
        return self._world.credentials[self.topics.device]

    @property
    def boot_hex(self) -> str:
        return self.spool.boot_id.hex()

    def boot(self, resend_s: float = 60.0) -> None:
        """Begin a process."""
        self._sequence = 0
        self.spool = Spool(self._path)
        own = Keys(self.device_key.private_key, self._world.cloud_key.public_key())
        session = SealedSession(own, self.topics, self.spool.boot_id, os.urandom)
        verbs = ("ping", "keyframe", "set-policy")
        self.commands = Commands({verb: self.handled.handler(verb) for verb in verbs})
        tls = Tls(str(self._world.pki.ca), str(self.device_key.certificate), str(self.device_key.key))
        self.uplink = Uplink(
            Address("127.0.0.1", self._port, tls, connect_s=10.0),
            self.topics,
            self.spool,
            self.birth(),
            Parts(
                session,
                Budget(Limits()),
                self.commands,
                Watch(self.spool, lambda: 0, lambda: False),
                resend_s=resend_s,
            ),
        )

    def birth(self, *cameras: str, boot_wall_ms: int = 1_790_000_000_000) -> Birth:
        """Give this boot's birth, as it is before it has a key."""
        return Birth(
            device=self.topics.device,
            boot_id=self.boot_hex,
            boot_wall_ms=boot_wall_ms,
            wall_error_ms=1,
            software="mirage test",
            bundle="small",
            bundle_sha256="0" * 16,
            cameras=tuple(CameraInfo(name, 640, 360, 25.0) for name in cameras or ("door",)),
        )

    @contextmanager
    def connected(self) -> Iterator["Edge"]:
        """Run the uplink, and what carries out commands."""
        finish = threading.Event()
        threads = [
            threading.Thread(target=self.uplink.run, args=(finish, 0.0), name="uplink"),
            threading.Thread(target=self.commands.run, args=(finish,), name="commands"),
        ]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            finish.set()
            for thread in threads:
                thread.join(60)
                assert not thread.is_alive()

    def say(self, number: int = 1, camera: str = "door") -> list[int]:
        """Capture some segments; gives their sequences."""
        said = list(range(self._sequence, self._sequence + number))
        self._sequence += number
        for sequence in said:
            self.spool.append(sequence, camera, packet(sequence, b"%s %d" % (camera.encode(), sequence)))
        return said

    def skip(self) -> int:
        """Take a sequence of which no packet will be."""
        self._sequence += 1
        return self._sequence - 1

    def waiting(self) -> list[int]:
        """List the sequences of this boot that the cloud has not acknowledged."""
        pending = self.spool.pending(100_000)
        return [item.sequence for item in pending if item.boot_id == self.spool.boot_id]

    def delivered(self) -> None:
        """Wait until everything is acknowledged."""
        wait_for(lambda: self.spool.backlog().waiting == 0)

    def close(self) -> None:
        self.spool.close()
