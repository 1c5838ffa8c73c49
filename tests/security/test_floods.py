"""Who sends too much, too large or too strange costs nobody a packet, and fills neither memory nor store."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import func, select

from cloud.config import Limits
from cloud.schema import BootRow, CameraRow, DeviceRow, PendingRow, QuarantineRow
from tests.edge.cloud import wait_for
from tests.party import Heard, admitted
from tests.security.device import Edge, packet
from tests.security.forging import Thief, birth_with_key, wrong_envelope
from tests.security.stage import Scene, Stage, mastered, playing, staged
from tests.security.world import CAMERAS, DOOR, GROUP, RIVAL, YARD, World
from wire import documents
from wire.documents import State
from wire.envelope import PlainEnvelope
from wire.packet import MAX_FRAME, Layer, Packet
from wire.topics import DeviceTopics

BURST = 200
SLOW = Limits(device_packets_per_s=1, device_burst=BURST)
FAST = Limits(device_packets_per_s=1e6, device_burst=10**6, device_bytes_per_s=1e9, device_burst_bytes=10**9)
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def open_scene(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Set no limits, so that everything reaches what is behind them."""
    with staged(world, tmp_path_factory.mktemp("stage"), FAST) as stage, playing(stage) as scene:
        yield scene


def bytes_in(stage: Stage, kind: type[PendingRow] | type[QuarantineRow]) -> int:
    with stage.store.read() as session:
        return session.scalar(select(func.sum(func.length(kind.frame)))) or 0


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def test_one_device_that_floods_neither_delays_others_nor_fills_the_store(
    world: World, tmp_path: Path
) -> None:
    with staged(world, tmp_path / "stage", SLOW) as stage, stage.ingesting():
        door, yard = (Edge(world, stage.broker.port, topics, tmp_path) for topics in (DOOR, YARD))
        birth = birth_with_key(world, yard.device_key, YARD, yard.birth())
        thief, topic = Thief(world, YARD, birth), YARD.sem("door")
        flood = [Heard(topic, thief.seal(packet(sequence), topic)) for sequence in range(2000)]
        with door.connected(), admitted(stage.party(YARD.device)) as device:
            door.say()
            door.delivered()
            resident = resident_bytes()
            assert device.publish(YARD.birth, birth)
            device.publish_all(flood)
            said = door.say(20)
            door.delivered()
            assert resident_bytes() - resident < 64 * MIB
        facts = stage.facts()
        door.close()
        yard.close()
    stored = {
        device: [name for name in facts.packets if name[0] == device] for device in ("edge-1", "edge-2")
    }
    assert len(stored["edge-1"]) == 1 + len(said)
    assert 0 < len(stored["edge-2"]) <= BURST + 60  # what a minute brings
    assert facts.put_away == 0


def test_what_is_beyond_a_devices_rate_comes_again_and_nothing_is_lost(world: World, tmp_path: Path) -> None:
    limits = Limits(device_packets_per_s=50, device_burst=20)
    with staged(world, tmp_path / "stage", limits) as stage, mastered(stage) as master, stage.ingesting():
        door = Edge(world, stage.broker.port, DOOR, tmp_path)
        door.close()
        door.boot(resend_s=0.3)
        said = door.say(60)
        with door.connected():
            door.delivered()
        facts = stage.facts()
        assert len(master.heard(DOOR.sem("door"))) > len(said)  # some came more than once
        door.close()
    assert [name[2] for name in sorted(facts.packets)] == said


def test_rubbish_under_a_devices_topics_stops_at_its_rate_and_costs_it_nothing(
    world: World, tmp_path: Path
) -> None:
    with staged(world, tmp_path / "stage", SLOW) as stage, playing(stage) as scene:
        topics = (DOOR.sem("door"), DOOR.telemetry, DOOR.birth, DOOR.state)
        for topic in topics:
            scene.master.flood(topic, (os.urandom(60) for _ in range(200)))
        said = scene.door.say(5)
        scene.master.recorded(DOOR.sem("door"), 3 + 200 + 5)
        scene.yard.say(5)
        scene.yard.delivered()
        facts = stage.facts()
        assert 0 < facts.put_away <= BURST + 60
        stored = {name[2] for name in facts.packets if name[0] == DOOR.device}
        assert stored | set(scene.door.waiting()) == {0, 1, 2, *said}


def test_rubbish_of_every_size_is_put_away_and_the_latest_kept(open_scene: Scene) -> None:
    frames = [os.urandom(size) for size in (1, 2, 3, 17, 1000, MAX_FRAME, MAX_FRAME + 1)]
    strange = [
        b"[" * 60_000,
        b'{"boots":' * 7_000,
        b'{"device":"edge-1","device":"edge-1"}',
        b'{"boot_id":1e999999}',
        b'"\\ud800"',
        b"\xff\xfe",
        b"\0" * 100,
        b"9" * 60_000,
    ]
    before = open_scene.stage.facts()
    topics = (DOOR.sem("door"), DOOR.sem("attic"), DOOR.telemetry, DOOR.state)
    for topic in topics:
        open_scene.master.flood(topic, frames + strange)
    open_scene.undisturbed(before, put_away=len(topics) * len(frames + strange))


def test_topics_that_are_none_are_put_away(open_scene: Scene) -> None:
    names = [
        "mirage/v1/ACME/north/edge-1/birth",
        "mirage/v1///edge-1/door/sem",
        f"mirage/v1/{'a' * 5000}/north/edge-1/state",
        "mirage/v1/acme/north/edge-1/birth/sem",
        "mirage/v1/acme/north/é/telemetry",
    ]
    before = open_scene.stage.facts()
    for name in names:
        open_scene.master.say(name, b"{}")
    open_scene.undisturbed(before, put_away=len(names))


def test_thousands_of_devices_boots_and_states_that_nobody_enrolled_make_no_rows(open_scene: Scene) -> None:
    stage = open_scene.stage
    birth = open_scene.birth_of(open_scene.door)
    before = stage.facts()
    devices = stage.rows(DeviceRow), stage.rows(BootRow), stage.rows(CameraRow)
    frame = wrong_envelope(7).wrap(packet(0), "anywhere")
    messages = list[Heard]()
    for number in range(200):
        ghost = DeviceTopics("acme", "north", f"ghost-{number}")
        state = documents.encode(State("ready", f"{number:016x}"))
        messages += (
            Heard(ghost.birth, birth),
            Heard(ghost.state, state),
            Heard(DOOR.state, state),
            Heard(ghost.sem("door"), frame),
        )
    open_scene.master.party.publish_all(messages)
    open_scene.undisturbed(before, put_away=400)
    assert (stage.rows(DeviceRow), stage.rows(BootRow), stage.rows(CameraRow)) == devices


def test_a_thief_makes_no_cameras_and_boots_without_end(open_scene: Scene) -> None:
    stage, thief = open_scene.stage, open_scene.thief(open_scene.yard)
    births = list[bytes]()
    for number in range(400):
        cameras = [f"made-up-{number}-{each}" for each in range(50)]
        made = msgspec.structs.replace(open_scene.yard.birth(*cameras), boot_id=f"{number:016x}")
        births.append(
            birth_with_key(stage.world, open_scene.yard.device_key, YARD, made, key_id=number % 255 + 1)
        )
    frames = [thief.seal(packet(9), YARD.sem(f"other-{number}")) for number in range(100)]
    open_scene.master.flood(YARD.birth, births)
    open_scene.master.party.publish_all(
        Heard(YARD.sem(f"other-{number}"), frame) for number, frame in enumerate(frames)
    )
    open_scene.door.say()
    open_scene.door.delivered()
    assert stage.rows(BootRow) < 150  # births have a rate of their own
    cameras_known = {camera for device, camera in stage.facts().cameras if device == YARD.device}
    assert cameras_known <= {*CAMERAS}


def test_frames_whose_birth_never_comes_take_a_bounded_place(open_scene: Scene) -> None:
    stage, topic = open_scene.stage, YARD.sem("door")
    unknown = open_scene.thief(open_scene.yard).key_id % 255 + 1
    large = wrong_envelope(unknown).wrap(bytes(60_000), topic)
    before = stage.facts()
    small = wrong_envelope(unknown).wrap(bytes(100), topic)
    open_scene.master.flood(topic, [large] * 100 + [small] * 100)
    open_scene.door.say()
    open_scene.door.delivered()
    new = stage.facts().packets.keys() - before.packets.keys()
    assert [device for device, _, _ in new] == [DOOR.device]
    assert bytes_in(stage, PendingRow) < MIB


def test_a_device_that_leaves_out_every_other_sequence_does_not_slow_the_store(open_scene: Scene) -> None:
    stage, thief = open_scene.stage, open_scene.thief(open_scene.yard)
    topic = YARD.sem("door")
    sequences = range(1001, 3301, 2)
    open_scene.master.flood(topic, (thief.seal(packet(sequence), topic) for sequence in sequences))
    open_scene.door.say()
    open_scene.door.delivered()
    boot = select(BootRow.holes).where(BootRow.boot_hex == open_scene.yard.boot_hex)
    with stage.store.read() as session:
        holes = msgspec.json.decode(session.scalars(boot).one(), type=list[tuple[int, int]])
    assert len(holes) == 1024


def test_a_device_in_the_shared_group_takes_packets_away_and_none_is_lost(
    world: World, tmp_path: Path
) -> None:
    # Mosquitto picks a member of a group first, and asks the access list then. So the name is a secret.
    with staged(world, tmp_path / "stage") as stage, mastered(stage) as master, stage.ingesting():
        door = Edge(world, stage.broker.port, DOOR, tmp_path)
        door.close()
        door.boot(resend_s=0.3)
        with door.connected():
            door.say()
            door.delivered()
            with admitted(stage.party(RIVAL.device), f"$share/{GROUP}/mirage/v1/+/+/+/+/sem") as thief:
                said = door.say(6)
                wait_for(lambda: len(master.heard(DOOR.sem("door"))) > len(said) + 1)
                assert thief.heard == []
                door.delivered()
        facts = stage.facts()
        door.close()
    assert [name[2] for name in sorted(facts.packets)] == [0, *said]


def test_unsealed_packets_of_any_kind_stay_out(open_scene: Scene) -> None:
    layers = {layer: os.urandom(30) for layer in range(1, 128)}
    bodies = [bytes(Packet(2**62, 2**40, 1, layers)), bytes(Packet(0, 0, 0, {Layer.GAP: b"\0" * 10}))]
    envelope = PlainEnvelope()
    before = open_scene.stage.facts()
    open_scene.master.flood(DOOR.sem("door"), [envelope.wrap(body, "") for body in bodies])
    open_scene.undisturbed(before, put_away=len(bodies))
