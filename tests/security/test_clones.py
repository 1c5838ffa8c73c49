"""A card that was copied: two devices with one identity, on a real broker, which lets in one at a time."""

from pathlib import Path

from cloud.identity import alarms
from cloud.identity.alarms import AlarmView
from tests.edge.cloud import wait_for
from tests.security.device import Edge
from tests.security.stage import Stage, staged
from tests.security.world import DOOR, YARD, World


def raised(stage: Stage) -> list[AlarmView]:
    with stage.store.read() as session:
        return alarms.alarms_of(session)


def test_two_devices_with_one_identity_are_noticed_while_both_are_on(world: World, tmp_path: Path) -> None:
    for name in ("original", "copy", "other"):
        (tmp_path / name).mkdir()
    with staged(world, tmp_path / "stage") as stage, stage.ingesting():
        port = stage.broker.port
        original, copy = (Edge(world, port, DOOR, tmp_path / name) for name in ("original", "copy"))
        other = Edge(world, port, YARD, tmp_path / "other")
        with original.connected(), copy.connected(), other.connected():
            wait_for(lambda: raised(stage) != [], 120)
        (alarm,) = raised(stage)
    assert (alarm.device, alarm.kind) == ("acme/north/edge-1", alarms.TWO_AT_ONCE)
    assert {original.boot_hex, copy.boot_hex} <= set(alarm.detail.replace(":", " ").split())
