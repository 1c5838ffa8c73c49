"""Whoever runs the broker has every frame, and sends it again, elsewhere, altered; nothing of it counts."""

import os
from pathlib import Path

import pytest

from tests.edge.cloud import wait_for
from tests.security.device import Edge, packet
from tests.security.forging import Thief, wrong_envelope
from tests.security.stage import Scene, mastered, staged
from tests.security.world import DOOR, RIVAL, YARD, World
from wire import keys, varint
from wire.envelope import PlainEnvelope, read_header
from wire.gap import GapReason
from wire.packet import Layer, Packet
from wire.telemetry import Telemetry

SEM = DOOR.sem("door")


def test_packets_that_are_sent_again_are_stored_once(scene: Scene) -> None:
    frames = scene.master.recorded(SEM, 3)
    before = scene.stage.facts()
    for frame in frames * 3:
        scene.master.say(SEM, frame)
    scene.undisturbed(before, put_away=0)
    assert scene.stage.refused() == {}


def test_packets_below_the_watermark_are_not_stored_again_by_another_process(scene: Scene) -> None:
    frames = scene.master.recorded(SEM, 3)
    before = scene.stage.facts()
    scene.restart_cloud()
    for frame in frames:
        scene.master.say(SEM, frame)
    scene.undisturbed(before, put_away=0)


@pytest.mark.parametrize(
    "topic",
    [
        pytest.param(DOOR.sem("yard"), id="another camera"),
        pytest.param(DOOR.sem("attic"), id="a camera that is not enrolled"),
        pytest.param(YARD.sem("door"), id="another device"),
        pytest.param(RIVAL.sem("door"), id="another tenant"),
        pytest.param("mirage/v1/rival/north/edge-1/door/sem", id="itself below another tenant"),
        pytest.param(DOOR.telemetry, id="telemetry"),
    ],
)
def test_a_packet_counts_under_its_own_topic_only(scene: Scene, topic: str) -> None:
    frame = scene.master.recorded(SEM)[0]
    before = scene.stage.facts()
    scene.master.say(topic, frame)
    scene.undisturbed(before, put_away=1)


def test_what_comes_down_or_by_telemetry_is_no_packet(scene: Scene) -> None:
    before = scene.stage.facts()
    for topic in (DOOR.ack, DOOR.telemetry, DOOR.birth):
        scene.master.say(SEM, scene.master.recorded(topic)[0])
    scene.undisturbed(before, put_away=3)


def test_a_packet_that_lacks_any_of_its_end_is_refused(scene: Scene) -> None:
    frame = scene.master.recorded(SEM)[0]
    before = scene.stage.facts()
    scene.master.flood(SEM, (frame[:size] for size in range(1, len(frame))))
    scene.undisturbed(before, put_away=len(frame) - 1)


def test_a_packet_of_which_any_bit_was_turned_is_refused(scene: Scene) -> None:
    frame = scene.master.recorded(SEM)[0]
    before = scene.stage.facts()
    number = int.from_bytes(frame, "big")
    altered = ((number ^ 1 << bit).to_bytes(len(frame), "big") for bit in range(len(frame) * 8))
    scene.master.flood(SEM, altered)
    scene.undisturbed(before, put_away=len(frame) * 8)


def test_an_unsealed_packet_is_refused_by_a_sealed_cloud(scene: Scene) -> None:
    before, refused = scene.stage.facts(), scene.stage.refused()
    scene.master.say(SEM, PlainEnvelope().wrap(packet(77), SEM))
    scene.undisturbed(before, put_away=1)
    new = scene.stage.refused() - refused
    assert new == {"frame is not sealed, and this cloud takes sealed ones only": 1}


def test_a_packet_under_a_key_that_no_birth_brought_is_not_stored(scene: Scene) -> None:
    known = scene.thief(scene.door).key_id
    before = scene.stage.facts()
    for key_id in (known, keys.next_key_id(known)):
        scene.master.say(SEM, wrong_envelope(key_id).wrap(packet(77), SEM))
    scene.undisturbed(before, put_away=2)


def test_a_device_cannot_speak_for_another_even_with_the_brokers_help(scene: Scene) -> None:
    thief = scene.thief(scene.yard)
    before = scene.stage.facts()
    for topic in (SEM, RIVAL.sem("door")):
        scene.master.say(topic, thief.seal(packet(77), topic))
    scene.undisturbed(before, put_away=2)


def test_a_device_that_names_anothers_boot_writes_beside_it(scene: Scene) -> None:
    boot = scene.door.spool.boot_id
    forged = Packet(0, 0, 2000, {Layer.CAPTION: b"forged"}, historical=True, boot_id=boot)
    before = scene.stage.facts()
    scene.master.say(YARD.sem("door"), scene.thief(scene.yard).seal(bytes(forged), YARD.sem("door")))
    scene.door.say()
    scene.door.delivered()
    after = scene.stage.facts()
    new = after.packets.keys() - before.packets.keys()
    assert sorted((device, name) for device, name, _ in new) == [
        ("edge-1", boot.hex()),
        ("edge-2", boot.hex()),
    ]
    assert {name: after.packets[name] for name in before.packets} == before.packets
    assert after.current == before.current


def test_who_has_a_devices_key_cannot_change_what_is_stored(scene: Scene) -> None:
    forged = packet(0, b"another story")
    before, refused = scene.stage.facts(), scene.stage.refused()
    scene.master.say(SEM, scene.thief(scene.door).seal(forged, SEM))
    scene.undisturbed(before, put_away=1)
    assert scene.stage.refused() - refused == {"packet 0 differs from the one that is stored": 1}


def test_a_packet_that_was_held_back_does_not_undo_the_record_of_its_loss(scene: Scene) -> None:
    sequence = scene.door.skip()
    scene.door.spool.give_up(sequence, sequence, "door", 0, GapReason.SPOOL_FULL)
    scene.door.delivered()
    before = scene.stage.facts()
    scene.master.say(SEM, scene.thief(scene.door).seal(packet(sequence), SEM))
    scene.undisturbed(before, put_away=0)


def test_frames_of_an_earlier_boot_and_its_births_change_nothing(world: World, tmp_path: Path) -> None:
    with staged(world, tmp_path / "stage") as stage, mastered(stage) as master, stage.ingesting():
        door = Edge(world, stage.broker.port, DOOR, tmp_path)
        for _ in range(2):  # connections, each with a key
            with door.connected():
                door.say(3)
                door.delivered()
        old = {topic: master.recorded(topic) for topic in (DOOR.birth, SEM, DOOR.telemetry)}
        door.close()
        door.boot()
        with door.connected():
            door.say(2)
            door.delivered()
            before = stage.facts()
            for topic in (DOOR.birth, SEM, DOOR.telemetry, SEM):
                for payload in old[topic]:
                    master.say(topic, payload)
            door.say()
            door.delivered()
            after = stage.facts()
        door.close()
        assert after.packets.keys() - before.packets.keys() == {(DOOR.device, door.boot_hex, 2)}
        assert (after.births, after.current, after.keys, after.records) == (
            before.births,
            before.current,
            before.keys,
            before.records,
        )
        assert after.current[DOOR.device] == door.boot_hex


def test_telemetry_that_is_sent_again_changes_nothing(scene: Scene) -> None:
    thief, topic = scene.thief(scene.door), DOOR.telemetry
    frames = [thief.seal(bytes(Telemetry(uptime_s=uptime_s)), topic) for uptime_s in (1_000, 2_000)]
    damaged = (frames[1][:-1], bytes((*frames[1][:-1], frames[1][-1] ^ 1)), os.urandom(30))
    before = scene.stage.facts()
    scene.master.flood(topic, (frames[1], *frames * 2, *damaged))
    scene.undisturbed(before, put_away=3)
    assert scene.stage.facts().records[DOOR.device] == (2_000, 0)


def test_the_counter_of_a_frame_is_what_the_key_was_used_with(scene: Scene) -> None:
    frame = scene.master.recorded(SEM)[0]
    header = read_header(frame)
    before = scene.stage.facts()
    for counter in (header.counter + 1, header.counter + 200, 2**62):
        forged = frame[:2] + varint.encode(counter) + frame[header.size :]
        scene.master.say(SEM, forged)
    scene.undisturbed(before, put_away=3)


def test_telemetry_that_was_held_back_is_not_taken_for_the_latest(world: World, tmp_path: Path) -> None:
    topic = DOOR.telemetry
    with staged(world, tmp_path / "stage") as stage, mastered(stage) as master, stage.ingesting():
        door = Edge(world, stage.broker.port, DOOR, tmp_path)
        with door.connected():
            door.say()
            door.delivered()
        before = Thief(world, DOOR, stage.facts().births[DOOR.device, door.boot_hex] or b"")
        with door.connected():
            master.recorded(DOOR.birth, 2)
            door.say()
            door.delivered()
            wait_for(lambda: stage.facts().births[DOOR.device, door.boot_hex] == master.heard(DOOR.birth)[-1])
            now = Thief(world, DOOR, master.heard(DOOR.birth)[-1])
            master.say(topic, now.seal(bytes(Telemetry(uptime_s=2_000)), topic))
            master.say(topic, before.seal(bytes(Telemetry(uptime_s=1_000)), topic))
            door.say()
            door.delivered()
        assert stage.facts().records[DOOR.device] == (2_000, 0)
        door.close()
