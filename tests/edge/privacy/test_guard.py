"""What holds for cameras, who may change it, and what cannot be enforced is refused."""

from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from numpy.typing import NDArray

from edge.privacy.guard import Guard, check_tightens
from edge.privacy.model_files import DetectorError
from edge.privacy.schedule import Schedule
from tests.edge.films import write_film
from wire.bundle import Bundle
from wire.policy import Demands, PolicyError, Sender
from wire.policy.zones import Zone

STRICT = Sender(
    words=("gender",),
    layers=("caption", "motion", "appearance-tokens"),
    planes=4,
    picture_px=48,
    noise=4.0,
    on_motion=True,
    receiver=Demands(largest_px=256, publish=False),
)


@pytest.fixture(scope="module")
def bundle(tiny: Path) -> Bundle:
    return Bundle.load(tiny, "edge")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("words", ()),
        ("words", ("age",)),
        ("layers", ("caption", "motion", "appearance-tokens", "appearance-vector")),
        ("planes", 5),
        ("planes", None),
        ("picture_px", 49),
        ("picture_px", None),
        ("noise", 3.9),
        ("on_motion", False),
        ("receiver", Demands(largest_px=256)),
        ("receiver", Demands(largest_px=512, publish=False)),
        ("zones", (Zone(box=(0.0, 0.0, 0.1, 0.1)),)),
        ("hours", ("10:00-11:00",)),
        ("remote", True),
    ],
)
def test_from_afar_nothing_is_loosened(bundle: Bundle, name: str, value: object) -> None:
    guard = Guard(STRICT, bundle)
    with pytest.raises(PolicyError, match=rf"sender\.{name} may not be loosened from afar.*sender\.remote"):
        guard.adopt(structs.replace(STRICT, **{name: value}), remote=True)
    assert guard.sender == STRICT


@pytest.mark.parametrize("name", ["faces", "text", "people", "plates"])
def test_a_redaction_cannot_be_lifted_from_afar(name: str) -> None:
    file = structs.replace(Sender(), **{name: "redact"})
    with pytest.raises(PolicyError, match=f"sender.{name} .* own file says 'redact'"):
        check_tightens(file, Sender())
    check_tightens(Sender(), file)


@pytest.mark.parametrize(
    "change", [{"off": True}, {"planes": 0}, {"words": ("gender", "age")}, {"noise": 9.0}, {"picture_px": 20}]
)
def test_from_afar_all_may_be_tightened_and_loosened_again_up_to_the_file(
    bundle: Bundle, change: dict[str, object]
) -> None:
    guard = Guard(STRICT, bundle)
    guard.adopt(structs.replace(STRICT, **change), remote=True)
    assert guard.sender != STRICT
    guard.adopt(STRICT, remote=True)
    assert guard.sender == STRICT


def test_a_file_may_let_the_cloud_loosen(bundle: Bundle) -> None:
    file = structs.replace(STRICT, remote=True)
    guard = Guard(file, bundle)
    guard.adopt(structs.replace(file, planes=None, words=()), remote=True)
    assert guard.sender.planes is None


@given(st.builds(Sender, off=st.booleans(), planes=st.none() | st.integers(0, 9), noise=st.floats(0, 20)))
def test_what_holds_already_is_no_loosening(sender: Sender) -> None:
    check_tightens(sender, sender)


@pytest.mark.parametrize("name", ["people", "plates"])
def test_what_the_bundle_cannot_find_does_not_start(bundle: Bundle, name: str) -> None:
    with pytest.raises(DetectorError, match=rf"{name} cannot be redacted.*\[detectors\.{name}\]"):
        Guard(structs.replace(Sender(), **{name: "redact"}), bundle)


def test_what_cannot_be_found_is_refused_from_afar_and_nothing_changes(bundle: Bundle) -> None:
    guard = Guard(Sender(), bundle)
    with pytest.raises(DetectorError):
        guard.adopt(Sender(people="redact"), remote=True)
    assert guard.sender == Sender()
    assert not guard.rules("door").detectors


def test_zones_of_all_cameras_and_of_one_are_added_up(bundle: Bundle) -> None:
    zones = [Zone(box=(0.0, 0.0, share, 1.0)) for share in (0.1, 0.2)]
    guard = Guard(Sender(zones=(zones[0],)), bundle, {"door": (zones[1],)})
    assert guard.rules("door").zones == tuple(zones)
    assert guard.rules("yard").zones == (zones[0],)


class Tap:
    """Wants every picture, as the comparison with video does."""

    def __init__(self) -> None:
        self.given = 0

    def wants(self, at_us: int) -> bool:
        return at_us >= 0

    def give(self, bgr: NDArray[np.uint8], at_us: int, began_s: float) -> None:
        assert bgr.shape == (32, 32, 3)
        assert at_us >= 0
        assert began_s >= 0
        self.given += 1


@pytest.mark.parametrize(
    ("sender", "zones", "given"),
    [
        (Sender(), (), 20),
        (Sender(words=("gender",), planes=4), (), 20),
        (Sender(zones=(Zone(box=(0.0, 0.0, 0.1, 0.1)),)), (), 0),
        (Sender(), (Zone(box=(0.0, 0.0, 0.1, 0.1)),), 0),
        (Sender(off=True), (), 0),
    ],
)
def test_who_compares_with_video_gets_no_picture_of_which_anything_is_hidden(
    bundle: Bundle, tmp_path: Path, sender: Sender, zones: tuple[Zone, ...], given: int
) -> None:
    film = write_film(tmp_path / "film.mp4", np.zeros((20, 32, 32, 3), np.uint8))
    tap = Tap()
    guard = Guard(sender, bundle, {"door": zones})
    frames = list(guard.open("door", str(film), short_side_px=32, tap=tap))
    assert tap.given == given
    assert bool(frames) is not sender.off


def test_outages_are_told_once_and_trouble_as_long_as_it_lasts(bundle: Bundle) -> None:
    guard = Guard(Sender(), bundle)
    guard.report("door", "no sense", 700)
    assert guard.trouble == {"door": "no sense"}
    guard.report("door", None, 900)
    assert (guard.trouble, guard.outages("door"), guard.outages("door")) == ({}, [700], [])


def unix_s(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize(
    ("zone", "moment", "is_open"),
    [
        ("Europe/Berlin", "2026-01-10T20:59", False),  # 21:59 there
        ("Europe/Berlin", "2026-01-10T21:00", True),
        ("Europe/Berlin", "2026-07-10T20:00", True),  # summer time
        ("Europe/Berlin", "2026-07-10T03:59", True),
        ("Europe/Berlin", "2026-07-10T04:00", False),
        ("Asia/Tokyo", "2026-01-10T13:00", True),
    ],
)
def test_hours_are_those_of_the_timezone(zone: str, moment: str, is_open: bool) -> None:  # noqa: FBT001 -- a case
    assert Schedule(["22:00-06:00"], zone).is_open(unix_s(moment)) is is_open


def test_a_camera_looks_at_its_hours_only_and_never_when_it_is_off(bundle: Bundle) -> None:
    now = [unix_s("2026-01-10T12:00")]
    guard = Guard(Sender(hours=("22:00-06:00",), timezone="UTC"), bundle, unix_s=lambda: now[0])
    assert not guard.rules("door").is_open
    now[0] = unix_s("2026-01-10T23:00")
    assert guard.rules("door").is_open
    guard.adopt(structs.replace(guard.sender, off=True), remote=True)
    assert not guard.rules("door").is_open


def test_a_timezone_that_is_not_known_is_named(bundle: Bundle) -> None:
    with pytest.raises(
        PolicyError, match=r"timezone 'Mars/Base' is not known here: give one as Europe/Berlin"
    ):
        Guard(Sender(hours=("22:00-06:00",), timezone="Mars/Base"), bundle)


def test_a_preset_is_tighter_than_nothing() -> None:
    from wire.policy.presets import PRESETS

    private = PRESETS["private"].sender
    check_tightens(Sender(), private)
    with pytest.raises(PolicyError):
        check_tightens(private, Sender())
