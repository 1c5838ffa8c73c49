"""What is not defended, shown rather than denied: docs/threat-model.md says so, and these say it is true."""

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from cloud.enrolment import revoke
from tests.security.device import packet
from tests.security.forging import Thief, birth_with_key, secret_of
from tests.security.stage import Scene, playing, staged
from tests.security.world import DOOR, YARD, World
from wire import keys
from wire.documents import Birth, decode_birth
from wire.envelope import SealedEnvelope, read_header
from wire.keys import SecretError
from wire.packet import Packet


def opened(scene: Scene, frame: bytes, topic: str) -> bytes:
    """Open a recorded frame with what was recorded and the cloud's key, as long after as one likes."""
    key_id, secret = secret_of(scene.stage.world, DOOR, scene.master.heard(DOOR.birth)[0])
    return SealedEnvelope(keys.up(secret), key_id).unwrap(frame, topic)


def test_who_records_today_and_steals_the_clouds_key_later_reads_everything(scene: Scene) -> None:
    topic = DOOR.sem("door")
    bodies = [opened(scene, frame, topic) for frame in scene.master.recorded(topic, 3)]
    assert [Packet.parse(body).sequence for body in bodies] == [0, 1, 2]


def test_a_new_cloud_key_keeps_a_stolen_old_one_from_what_comes_after(scene: Scene) -> None:
    old, new = scene.stage.world.cloud_key, X25519PrivateKey.generate()
    context = keys.context_of(DOOR.birth, scene.door.boot_hex, 7)
    wrapped = keys.wrap(os.urandom(32), new.public_key(), context)
    with pytest.raises(SecretError):
        keys.unwrap(wrapped, old, context)
    assert len(keys.unwrap(wrapped, new, context)) == 32


def test_topics_sizes_and_counts_are_seen_by_whoever_carries_them(scene: Scene) -> None:
    frames = scene.master.recorded(DOOR.sem("door"), 3)
    assert [read_header(frame).counter for frame in frames[:3]] == sorted(
        read_header(frame).counter for frame in frames[:3]
    )
    overhead = len(frames[0]) - len(packet(0, b"door 0"))
    assert overhead == 3 + 16  # header and tag: the size of what is inside is plain


def test_who_has_a_devices_key_speaks_for_it_until_it_is_revoked(world: World, tmp_path: Path) -> None:
    with staged(world, tmp_path / "stage") as stage, playing(stage) as scene:
        born = decode_birth(scene.birth_of(scene.yard))
        boot = Birth(YARD.device, os.urandom(8).hex(), 0, 1, "thief", born.bundle, born.bundle_sha256, ())
        birth = birth_with_key(world, scene.yard.device_key, YARD, boot)
        thief, topic = Thief(world, YARD, birth), YARD.sem("door")
        scene.master.say(YARD.birth, birth)
        scene.master.say(topic, thief.seal(packet(0, b"a lie"), topic))
        scene.door.say()
        scene.door.delivered()
        lies = [name for name in stage.facts().packets if name[:2] == (YARD.device, boot.boot_id)]
        assert lies == [(YARD.device, boot.boot_id, 0)]
        with stage.store.write() as session:
            revoke(session, YARD.device, 1)
        before = stage.facts()
        scene.restart_cloud()
        again = birth_with_key(world, scene.yard.device_key, YARD, boot, key_id=9)
        scene.master.say(YARD.birth, again)
        scene.master.say(topic, thief.seal(packet(1, b"a lie"), topic))
        scene.undisturbed(before, put_away=3)  # its own birth too, which the broker had kept
