"""Births say who speaks and with which key: forged, stolen, old ones change nothing, and no state does."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec.structs import replace

from cloud import telemetry
from cloud.enrolment import revoke
from tests.pki import Credentials, new_key
from tests.security.device import Edge
from tests.security.forging import birth_with_key, signed
from tests.security.stage import Scene, mastered, staged
from tests.security.world import DOOR, RIVAL, YARD, World
from wire import documents, keys
from wire.documents import State
from wire.topics import DeviceTopics

GHOST = DeviceTopics("acme", "north", "ghost")
Forge = Callable[[Scene], bytes]


def own(scene: Scene) -> bytes:
    return scene.birth_of(scene.door)


def unsigned(scene: Scene) -> bytes:
    return documents.encode(replace(documents.decode_birth(own(scene)), signature=None))


def with_other_cameras(scene: Scene) -> bytes:
    return own(scene).replace(b'"width":640', b'"width":641')


def with_another_clock(scene: Scene) -> bytes:
    return own(scene).replace(b'"boot_wall_ms":1790000000000', b'"boot_wall_ms":1790000000001')


def signed_by_another_device(scene: Scene) -> bytes:
    return birth_with_key(scene.stage.world, scene.yard.device_key, DOOR, scene.door.birth("door", "fake"))


def of_another_topic(scene: Scene) -> bytes:
    made = replace(scene.door.birth("fake"), device=YARD.device)
    return birth_with_key(scene.stage.world, scene.door.device_key, YARD, made)


def that_names_another_device(scene: Scene) -> bytes:
    made = replace(scene.door.birth("fake"), device=YARD.device)
    return birth_with_key(scene.stage.world, scene.door.device_key, DOOR, made)


def of_another_device(scene: Scene) -> bytes:
    return scene.birth_of(scene.yard)


def with_the_signature_of_another_birth(scene: Scene) -> bytes:
    other = signed(scene.door.device_key, DOOR, scene.door.birth("fake"), 9, None)
    return own(scene)[:-100] + other[-100:]


def with_a_key_for_another_cloud(scene: Scene) -> bytes:
    stranger = dataclasses.replace(scene.stage.world, cloud_key=X25519PrivateKey.generate())
    return birth_with_key(stranger, scene.door.device_key, DOOR, scene.door.birth("fake"))


def with_the_key_of_another_device(scene: Scene) -> bytes:
    stolen = documents.decode_birth(of_another_device(scene))
    made = scene.door.birth("fake")
    return signed(scene.door.device_key, DOOR, made, stolen.key_id, stolen.wrapped_key)


def with_the_key_of_another_boot(scene: Scene) -> bytes:
    mine = documents.decode_birth(own(scene))
    made = replace(scene.door.birth("fake"), boot_id=os.urandom(8).hex())
    return signed(scene.door.device_key, DOOR, made, mine.key_id, mine.wrapped_key)


def with_its_key_under_another_id(scene: Scene) -> bytes:
    mine = documents.decode_birth(own(scene))
    made = scene.door.birth("fake")
    return signed(scene.door.device_key, DOOR, made, keys.next_key_id(mine.key_id), mine.wrapped_key)


@pytest.mark.parametrize(
    "forge",
    [
        unsigned,
        with_other_cameras,
        with_another_clock,
        signed_by_another_device,
        of_another_topic,
        that_names_another_device,
        of_another_device,
        with_the_signature_of_another_birth,
        with_a_key_for_another_cloud,
        with_the_key_of_another_device,
        with_the_key_of_another_boot,
        with_its_key_under_another_id,
    ],
)
def test_a_birth_is_refused_that_is_forged_or_has_a_key_from_elsewhere(scene: Scene, forge: Forge) -> None:
    before = scene.stage.facts()
    scene.master.say(DOOR.birth, forge(scene), retain=True)
    scene.undisturbed(before, put_away=1)


def test_a_device_that_is_not_enrolled_is_not_heard(scene: Scene) -> None:
    stranger = Credentials(Path(), Path(), new_key())
    made = replace(scene.door.birth(), device=GHOST.device)
    before = scene.stage.facts()
    for signer in (stranger, scene.door.device_key):
        scene.master.say(GHOST.birth, birth_with_key(scene.stage.world, signer, GHOST, made))
    scene.undisturbed(before, put_away=2)
    assert GHOST.device not in scene.stage.facts().current


def test_a_device_is_heard_at_its_own_place_only(scene: Scene) -> None:
    elsewhere = DeviceTopics("rival", "north", DOOR.device)
    birth = birth_with_key(scene.stage.world, scene.door.device_key, elsewhere, scene.door.birth())
    before = scene.stage.facts()
    scene.master.say(elsewhere.birth, birth)
    scene.undisturbed(before, put_away=1)


def test_a_birth_that_is_sent_again_or_taken_back_changes_nothing(scene: Scene) -> None:
    birth = own(scene)
    before = scene.stage.facts()
    scene.master.flood(DOOR.birth, (birth, b"", birth))
    scene.undisturbed(before, put_away=0)


def test_a_state_is_only_shown(scene: Scene) -> None:
    before = scene.stage.facts()
    stranger = os.urandom(8).hex()
    lies = (
        documents.encode(State("lost", scene.door.boot_hex)),
        documents.encode(State("sleeping", scene.door.boot_hex)),
        documents.encode(State("lost", scene.door.boot_hex)),
        documents.encode(State("ready", stranger)),
    )
    scene.master.flood(DOOR.state, lies)
    scene.undisturbed(before, put_away=0)
    shown = {device.id: device.state for device in telemetry.devices(scene.stage.store)}
    assert shown["acme/north/edge-1"] == "ready"  # it spoke after the last lie


def test_the_will_of_an_earlier_boot_says_nothing_about_this_one(world: World, tmp_path: Path) -> None:
    with staged(world, tmp_path / "stage") as stage, mastered(stage) as master, stage.ingesting():
        door = Edge(world, stage.broker.port, DOOR, tmp_path)
        with door.connected():
            door.say()
            door.delivered()
        stale = documents.encode(State("lost", door.boot_hex))
        door.close()
        door.boot()
        with door.connected():
            door.say()
            door.delivered()
            master.say(DOOR.state, stale, retain=True)
            assert stage.answer(stage.ask(door))[0] == "answered"
            shown = {device.id: device.state for device in telemetry.devices(stage.store)}
        door.close()
        assert shown["acme/north/edge-1"] == "ready"


def test_a_revoked_device_brings_no_new_key_though_the_broker_lets_it_in(
    world: World, tmp_path: Path
) -> None:
    with staged(world, tmp_path / "stage") as stage, mastered(stage) as master, stage.ingesting():
        stolen = Edge(world, stage.broker.port, RIVAL, tmp_path)
        door = Edge(world, stage.broker.port, DOOR, tmp_path)
        with stolen.connected():
            stolen.say()
            stolen.delivered()
        with stage.store.write() as session:
            revoke(session, RIVAL.device, 1)
        before = stage.facts()
        with door.connected(), stolen.connected():
            master.recorded(RIVAL.birth, 2)
            stolen.say(3)
            master.recorded(RIVAL.sem("door"), 4)
            door.say()
            door.delivered()
        after = stage.facts()
        assert len(stolen.waiting()) == 3
        stolen.close()
        door.close()
    assert [name for name in after.packets if name[0] == RIVAL.device] == [
        name for name in before.packets if name[0] == RIVAL.device
    ]
    assert (RIVAL.device, door.boot_hex) not in after.keys
    assert after.keys[RIVAL.device, stolen.boot_hex] == before.keys[RIVAL.device, stolen.boot_hex]
