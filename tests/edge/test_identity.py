"""A birth names cameras in the order in which they came: telemetry calls them by their places."""

from pathlib import Path

from edge.clock import BootClock
from edge.frame import SourceInfo
from edge.identity import Identity
from wire.bundle import Bundle


def test_a_camera_keeps_its_place_when_others_come(tiny: Path) -> None:
    identity = Identity("edge-1", bytes(8), BootClock(0, 1_700_000_000_000, 1), Bundle.load(tiny, "edge"))
    small, large = (SourceInfo(width, 480, 25.0, None, None, live=True) for width in (640, 1920))
    identity.introduce("yard", small)
    assert [identity.place(name) for name in ("yard", "attic")] == [0, None]
    identity.introduce("attic", small)
    birth = identity.introduce("yard", large)  # which came back with another picture
    assert [(camera.name, camera.width) for camera in birth.cameras] == [("yard", 1920), ("attic", 640)]
    assert [identity.place(name) for name in ("yard", "attic")] == [0, 1]
