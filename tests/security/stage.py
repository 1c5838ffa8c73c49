"""The whole way from a device to the store, with somebody in the middle who owns the broker.

    edge-1, edge-2 (acme), edge-3 (rival)         real uplinks: spool, keys, commands
        |  mutual TLS, access list                Mosquitto as deploy/broker/ has it
        |  <---- master: reads and writes everything, as whoever runs the broker may
    ingest                                        as `mirage cloud ingest` composes it, over a real store

Nothing waits for time to pass. What is done to the broker comes before a later packet of an honest device,
so once that is acknowledged, the attack has been seen by all.
"""

import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from cloud import commands, run
from cloud.config import Broker, BundlePaths, Config, Limits, Security, StorePlace
from cloud.downlink import Letter, SealedDownlink
from cloud.schema import Base, DeviceRow, QuarantineRow
from cloud.store import Store
from tests.edge.cloud import wait_for
from tests.mosquitto import Mosquitto, mosquitto, shipped
from tests.party import Heard, Party, admitted
from tests.security.device import Edge
from tests.security.facts import Facts, facts_of
from tests.security.forging import Thief
from tests.security.world import DOOR, GROUP, HOUR_MS, YARD, World
from wire.documents import Command, Reply, encode


class Master:
    """Whoever runs the broker: has seen everything, and may say anything under any topic."""

    def __init__(self, party: Party) -> None:
        self.party = party

    def heard(self, topic: str) -> list[bytes]:
        return [each.payload for each in self.party.heard if each.topic == topic and each.payload]

    def recorded(self, topic: str, number: int = 1) -> list[bytes]:
        """Wait for so many messages under a topic, and give all that have come."""
        wait_for(lambda: len(self.heard(topic)) >= number)
        return self.heard(topic)

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        assert self.party.publish(topic, payload, retain=retain)

    def flood(self, topic: str, payloads: Iterable[bytes]) -> None:
        """Say many things, and wait until the broker has them all."""
        self.party.publish_all([Heard(topic, payload) for payload in payloads])


class Stage:
    """One broker and one store; any number of devices, and the cloud while it runs."""

    def __init__(self, world: World, broker: Mosquitto, folder: Path, limits: Limits) -> None:
        self.world = world
        self.broker = broker
        self.folder = folder
        store_file = folder / "store.db"
        shutil.copy(world.store_file, store_file)
        self.store = Store(f"sqlite:///{store_file}")
        certificate = world.credentials["cloud.main"]
        self.config = Config(
            Broker(
                "127.0.0.1", broker.port, group=GROUP, client="cloud", ack_interval_s=0, ca=str(world.pki.ca),
                certificate=str(certificate.certificate), key=str(certificate.key),
            ),
            BundlePaths((str(world.bundle),)),
            StorePlace(f"sqlite:///{store_file}", str(folder / "objects")),
            Security(str(world.cloud_key_file)),
            limits,
        )  # fmt: skip

    def party(self, name: str) -> Party:
        return Party(self.broker.port, self.world.pki.ca, self.world.credentials[name])

    @contextmanager
    def ingesting(self) -> Iterator[None]:
        """Run the cloud."""
        stop, up = threading.Event(), threading.Event()
        thread = threading.Thread(
            target=run.run,
            args=(self.config, stop),
            kwargs={"roles": frozenset({"ingest"}), "ready": lambda _: up.set()},
            name="cloud",
        )
        thread.start()
        try:
            assert up.wait(60)
            yield
        finally:
            stop.set()
            thread.join(60)
            assert not thread.is_alive()

    def facts(self) -> Facts:
        return facts_of(self.store)

    def refused(self) -> Counter[str]:
        """Count what is in quarantine, by reason."""
        with self.store.read() as session:
            return Counter(session.scalars(select(QuarantineRow.reason)))

    def rows(self, kind: type[Base]) -> int:
        with self.store.read() as session:
            return session.scalar(select(func.count()).select_from(kind)) or 0

    def ask(self, edge: Edge, verb: str = "ping") -> str:
        """Have the cloud ask something of a device; gives the command's id."""
        topics = edge.topics
        name = f"{topics.tenant}/{topics.site}/{topics.device}"
        now_ms = time.time_ns() // 1_000_000
        with self.store.write() as session:
            return commands.ask(session, name, verb, {}, now_ms, HOUR_MS)

    def answer(self, command_id: str) -> tuple[str, Reply | None]:
        """Wait until a command is answered, and say how."""

        def state() -> tuple[str, Reply | None]:
            with self.store.read() as session:
                return commands.state_of(session, command_id)

        wait_for(lambda: state()[0] not in {"queued", "sent"})
        return state()

    def sealed(self, edge: Edge, topic: str, document: Command) -> bytes:
        """Seal a command as the cloud does, with the next of its counters."""
        with self.store.read() as session:
            device_id = session.scalars(
                select(DeviceRow.id).where(DeviceRow.name == edge.topics.device)
            ).one()
        (frame,) = SealedDownlink(self.store).frames([Letter(device_id, topic, encode(document))])
        assert frame is not None
        return frame


@contextmanager
def staged(world: World, folder: Path, limits: Limits | None = None) -> Iterator[Stage]:
    """Run a broker with an empty store behind it."""
    folder.mkdir(exist_ok=True)
    config = shipped(world.pki.folder)
    with mosquitto(folder, config) as broker:
        stage = Stage(world, broker, folder, limits or Limits())
        try:
            yield stage
        finally:
            stage.store.close()


@contextmanager
def mastered(stage: Stage) -> Iterator[Master]:
    with admitted(stage.party("master.all"), "mirage/#") as party:
        yield Master(party)


@dataclass
class Scene:
    """Everything runs, and `door` has delivered its first packets."""

    stage: Stage
    master: Master
    door: Edge
    yard: Edge
    cloud: ExitStack

    def restart_cloud(self) -> None:
        """Have another process take over; what comes meanwhile waits at the broker."""
        self.cloud.close()
        self.cloud.enter_context(self.stage.ingesting())

    def thief(self, edge: Edge) -> Thief:
        """Give the key of a device's present connection to somebody else."""
        return Thief(self.stage.world, edge.topics, self.birth_of(edge))

    def birth_of(self, edge: Edge) -> bytes:
        """Give the birth of a device's present connection, as the broker saw it."""
        birth = self.stage.facts().births[edge.topics.device, edge.boot_hex]
        assert birth in self.master.heard(edge.topics.birth)
        return birth

    def undisturbed(self, before: Facts, *, put_away: int) -> None:
        """Have a device go on, and find nothing changed beside its new packet, and so much put away."""
        boot = self.door.boot_hex
        (sequence,) = self.door.say()
        self.door.delivered()
        after = self.stage.facts()
        name = (self.door.topics.device, boot, sequence)
        assert after.packets.keys() - before.packets.keys() == {name}
        assert {key: after.packets[key] for key in before.packets} == before.packets
        assert (after.births, after.cameras, after.keys) == (before.births, before.cameras, before.keys)
        assert {key: after.current[key] for key in before.current} == before.current
        assert after.put_away - before.put_away == put_away


@contextmanager
def playing(stage: Stage) -> Iterator[Scene]:
    """Run broker's master, cloud and two devices."""
    with ExitStack() as stack:
        master = stack.enter_context(mastered(stage))
        cloud = stack.enter_context(ExitStack())
        cloud.enter_context(stage.ingesting())
        edges = []
        for topics in (DOOR, YARD):
            edge = Edge(stage.world, stage.broker.port, topics, stage.folder)
            stack.callback(edge.close)
            stack.enter_context(edge.connected())
            edge.say(3)
            edge.delivered()
            edges.append(edge)
        yield Scene(stage, master, edges[0], edges[1], cloud)
