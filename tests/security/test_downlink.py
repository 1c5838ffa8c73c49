"""A forged ack would erase the spool, a forged policy would lift redaction: the device believes neither."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.edge.cloud import wait_for
from tests.security.device import Edge
from tests.security.forging import wrong_envelope
from tests.security.stage import Scene, mastered, playing, staged
from tests.security.world import DOOR, HOUR_MS, YARD, World
from wire import documents
from wire.documents import Ack, AckWatermark, Command

FUTURE = 10**6
Forge = Callable[[Scene], bytes]


@pytest.fixture(scope="module")
def guarded(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Have the device keep packets that nobody takes: of a camera that is not enrolled."""
    with staged(world, tmp_path_factory.mktemp("stage")) as stage, playing(stage) as scene:
        scene.door.say(3, camera="attic")
        yield scene


def claim(edge: Edge) -> bytes:
    return documents.encode(Ack({edge.boot_hex: AckWatermark(FUTURE)}, now_ms()))


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def settled(scene: Scene) -> list[int]:
    """Have a packet acknowledged, and give what waits then."""
    said = scene.door.say()
    wait_for(lambda: not set(said) & set(scene.door.waiting()))
    return scene.door.waiting()


def in_the_clear(scene: Scene) -> bytes:
    return claim(scene.door)


def under_a_wrong_key(scene: Scene) -> bytes:
    return wrong_envelope(scene.thief(scene.door).key_id).wrap(claim(scene.door), DOOR.ack)


def under_an_unknown_key(scene: Scene) -> bytes:
    return wrong_envelope(scene.thief(scene.door).key_id % 255 + 1).wrap(claim(scene.door), DOOR.ack)


def with_no_key(scene: Scene) -> bytes:
    return bytes((0xA1, 0, 0)) + claim(scene.door)


def of_another_device(scene: Scene) -> bytes:
    return scene.master.recorded(YARD.ack)[-1]


def altered(scene: Scene) -> bytes:
    ack = scene.master.recorded(DOOR.ack)[0]
    return bytes((*ack[:-1], ack[-1] ^ 1))


def cut_off(scene: Scene) -> bytes:
    return scene.master.recorded(DOOR.ack)[0][:-1]


def sealed_for_the_other_direction(scene: Scene) -> bytes:
    return scene.thief(scene.door).seal(claim(scene.door), DOOR.ack)


def that_is_a_packet(scene: Scene) -> bytes:
    return scene.master.recorded(DOOR.sem("door"))[0]


def that_is_a_command(scene: Scene) -> bytes:
    return scene.stage.sealed(scene.door, DOOR.cmd("ping"), Command("ping", now_ms() + HOUR_MS))


def that_was_sent_before(scene: Scene) -> bytes:
    return scene.master.recorded(DOOR.ack)[0]


def of_the_largest_size(scene: Scene) -> bytes:
    return wrong_envelope(scene.thief(scene.door).key_id).wrap(bytes(65_500), DOOR.ack)


def of_deep_json(_scene: Scene) -> bytes:
    return b'{"boots":' * 7000


ACKS = [
    in_the_clear,
    under_a_wrong_key,
    under_an_unknown_key,
    with_no_key,
    of_another_device,
    altered,
    cut_off,
    sealed_for_the_other_direction,
    that_is_a_packet,
    that_is_a_command,
    that_was_sent_before,
    of_the_largest_size,
    of_deep_json,
]


@pytest.mark.parametrize("forge", ACKS)
def test_an_ack_frees_nothing_that_is_forged_or_of_elsewhere(guarded: Scene, forge: Forge) -> None:
    guarded.master.say(DOOR.ack, forge(guarded), retain=True)
    assert len(settled(guarded)) == 3


def test_nothing_is_carried_out_that_is_forged_or_of_elsewhere(guarded: Scene) -> None:
    for verb in ("set-policy", "keyframe"):
        guarded.master.flood(DOOR.cmd(verb), [forge(guarded) for forge in ACKS])
    assert guarded.stage.answer(guarded.stage.ask(guarded.door))[0] == "answered"
    assert guarded.door.handled.dangerous == []


def test_commands_in_the_clear_or_under_a_wrong_key_are_not_obeyed(guarded: Scene) -> None:
    command = documents.encode(Command("forged", now_ms() + HOUR_MS))
    key_id = guarded.thief(guarded.door).key_id
    topic = DOOR.cmd("set-policy")
    for payload in (command, wrong_envelope(key_id).wrap(command, topic), bytes((0xA1, 0, 0)) + command):
        guarded.master.say(topic, payload)
        guarded.master.say(topic, payload, retain=True)
    assert guarded.stage.answer(guarded.stage.ask(guarded.door))[0] == "answered"
    assert guarded.door.handled.dangerous == []


def test_a_command_is_obeyed_once_by_its_device_under_its_verb(guarded: Scene) -> None:
    done = len(guarded.door.handled.calls)
    assert guarded.stage.answer(guarded.stage.ask(guarded.door, "keyframe"))[0] == "answered"
    assert guarded.door.handled.calls[done:] == [("keyframe", {})]
    (frame,) = guarded.master.recorded(DOOR.cmd("keyframe"))[-1:]
    for topic in (DOOR.cmd("keyframe"), DOOR.cmd("set-policy"), YARD.cmd("keyframe"), DOOR.ack):
        guarded.master.flood(topic, [frame] * 3)
    for edge in (guarded.door, guarded.yard):
        assert guarded.stage.answer(guarded.stage.ask(edge))[0] == "answered"
    assert guarded.door.handled.dangerous == ["keyframe"]
    assert guarded.yard.handled.dangerous == []
    guarded.door.handled.calls.clear()


def test_a_command_that_the_broker_held_back_is_refused_once_it_is_late(guarded: Scene) -> None:
    topic = DOOR.cmd("set-policy")
    late = guarded.stage.sealed(guarded.door, topic, Command("late", now_ms() - 60_000))
    with capture_logs() as logs:
        guarded.master.say(topic, late)
        assert guarded.stage.answer(guarded.stage.ask(guarded.door))[0] == "answered"
    assert guarded.door.handled.dangerous == []
    reasons = [line["reason"] for line in logs if line["event"] == "command refused"]
    assert [reason.startswith("late by ") for reason in reasons] == [True]


def test_acks_and_commands_of_an_earlier_connection_or_boot_do_no_harm(world: World, tmp_path: Path) -> None:
    with staged(world, tmp_path / "stage") as stage, mastered(stage) as master, stage.ingesting():
        door = Edge(world, stage.broker.port, DOOR, tmp_path)
        topic = DOOR.cmd("set-policy")
        with door.connected():
            door.say(3)
            door.delivered()
            held = stage.sealed(door, topic, Command("held", now_ms() + HOUR_MS))
            acks = master.recorded(DOOR.ack)
        master.say(topic, held, retain=True)  # is there at the next connection, which has another key
        with capture_logs() as logs:
            _kept_beside_old_acks(door, lambda: master.flood(DOOR.ack, acks))
        reasons = [line["reason"] for line in logs if line["event"] == "command refused"]
        assert reasons == ["sealed for an earlier connection"]
        door.close()
        door.boot()
        _kept_beside_old_acks(door, lambda: master.flood(DOOR.ack, acks))
        door.close()
        assert door.handled.calls == []


def _kept_beside_old_acks(door: Edge, replay: Callable[[], None]) -> None:
    with door.connected():
        kept = door.say(3, camera="attic")
        replay()
        said = door.say()
        wait_for(lambda: not set(said) & set(door.waiting()))
        assert set(kept) <= set(door.waiting())
