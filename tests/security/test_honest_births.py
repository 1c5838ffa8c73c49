"""What an honest device says late is believed all the same."""

from pathlib import Path

from msgspec.structs import replace

from tests.edge.cloud import wait_for
from tests.security.device import Edge
from tests.security.forging import signed
from tests.security.stage import mastered, staged
from tests.security.world import DOOR, World


def test_a_boot_that_never_was_online_is_understood_and_does_not_become_the_current_one(
    world: World, tmp_path: Path
) -> None:
    with staged(world, tmp_path / "stage") as stage, mastered(stage) as master, stage.ingesting():
        door = Edge(world, stage.broker.port, DOOR, tmp_path)
        door.say(3)
        offline = door.boot_hex
        door.close()
        door.boot()
        with door.connected():
            door.say(2)
            door.delivered()
            births = master.recorded(DOOR.birth, 2)
            late = replace(door.birth("yard"), boot_id="0" * 16)
            master.flood(DOOR.birth, (births[0], signed(door.device_key, DOOR, late, 0, None)))
            assert stage.answer(stage.ask(door))[0] == "answered"
        facts, refused = stage.facts(), stage.refused()
        door.close()
    assert refused == {}
    assert {boot for _, boot in facts.births} == {offline, "0" * 16, door.boot_hex}
    assert None not in facts.births.values()
    assert facts.current[DOOR.device] == door.boot_hex
    assert facts.keys.keys() == {(DOOR.device, door.boot_hex)}


def test_what_a_device_announces_during_a_connection_is_believed(world: World, tmp_path: Path) -> None:
    with staged(world, tmp_path / "stage") as stage, mastered(stage), stage.ingesting():
        door = Edge(world, stage.broker.port, DOOR, tmp_path)
        with door.connected():
            door.say()
            door.delivered()
            door.uplink.announce(door.birth("door", "yard", boot_wall_ms=1_790_000_099_000))
            door.say()
            wait_for(lambda: (DOOR.device, "yard") in stage.facts().cameras)
            door.delivered()
        facts = stage.facts()
        door.close()
    assert facts.cameras[DOOR.device, "yard"] == (640, 360, 25.0)
    assert b"1790000099000" in (facts.births[DOOR.device, door.boot_hex] or b"")
