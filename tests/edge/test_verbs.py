"""What the cloud may ask: checked like the settings, and in force from the next segment on."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.camera import open_camera
from edge.commands import CommandError, Handler
from edge.composer import Composer
from edge.pipeline import Pipeline, Settings, raw_segments, short_side_px
from edge.segmenter import RawSegment
from edge.verbs import Verbs
from tests.edge.films import panned, texture, write_film
from wire.bundle import Bundle
from wire.packet import Layer, Packet

BOOT = bytes(range(8))
ALL = {Layer.CAPTION, Layer.MOTION, Layer.APPEARANCE_TOKENS, Layer.APPEARANCE_DETAIL}


@pytest.fixture(scope="module")
def pipeline(tiny: Path) -> Pipeline:
    return Pipeline(Bundle.load(tiny, "edge"), Settings(threads=2))


@pytest.fixture(scope="module")
def raws(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> list[RawSegment]:
    """Six seconds of a camera that pans."""
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    write_film(path, panned(texture(0), (320, 180), [(2 * at, at) for at in range(150)]))
    camera = open_camera(str(path), short_side_px=short_side_px(Bundle.load(tiny, "edge")))
    return list(raw_segments(camera))


class Station:
    """Two cameras and what may be asked of them."""

    def __init__(self, pipeline: Pipeline, raws: list[RawSegment]) -> None:
        self.composers: dict[str, Composer] = {name: pipeline.composer() for name in ("door", "yard")}
        self.handlers: dict[str, Handler] = Verbs(BOOT, pipeline, self.composers).handlers()
        self._pipeline = pipeline
        self._raws = raws
        self._start_ms = 0

    def next_packet(self, camera: str = "door") -> Packet:
        raw = replace(self._raws[0], start_ms=self._start_ms)
        self._start_ms += 2000
        return self._pipeline.describe(raw, self.composers[camera]).packet


@pytest.fixture
def station(pipeline: Pipeline, raws: list[RawSegment]) -> Iterator[Station]:
    before = pipeline.detail
    yield Station(pipeline, raws)
    pipeline.apply(before.planes, before.still_bytes, vector=before.vector)


def test_a_ping_says_who_is_there(station: Station) -> None:
    answer = station.handlers["ping"]({})
    assert answer["boot_id"] == BOOT.hex()
    assert str(answer["software"]).startswith("mirage")
    assert answer["uptime_s"] == 0
    with pytest.raises(CommandError, match="ping takes no arguments, got loud"):
        station.handlers["ping"]({"loud": True})


def test_a_keyframe_is_the_next_segment_of_the_camera_that_was_named(station: Station) -> None:
    for camera in ("door", "yard"):
        assert station.next_packet(camera).refresh
        assert not station.next_packet(camera).refresh
    assert station.handlers["keyframe"]({"camera": "yard"}) == {"cameras": 1}
    assert not station.next_packet("door").refresh
    assert station.next_packet("yard").refresh
    assert not station.next_packet("yard").refresh


def test_a_keyframe_of_no_camera_is_one_of_each(station: Station) -> None:
    for camera in ("door", "yard"):
        station.next_packet(camera)
    assert station.handlers["keyframe"]({}) == {"cameras": 2}
    assert station.next_packet("door").refresh
    assert station.next_packet("yard").refresh


@pytest.mark.parametrize("arguments", [{"camera": "attic"}, {"camera": 7}, {"kamera": "door"}])
def test_a_keyframe_of_what_is_no_camera_is_refused(
    station: Station, arguments: dict[str, str | int]
) -> None:
    with pytest.raises(CommandError):
        station.handlers["keyframe"](arguments)


def test_a_policy_holds_from_the_next_segment_on_and_is_answered_as_it_is(station: Station) -> None:
    assert set(station.next_packet().layers) == ALL
    assert station.handlers["set-policy"]({"planes": 0, "still_bytes": 50}) == {
        "planes": 0,
        "vector": False,  # the bundle has none
        "still_bytes": 50,
    }
    poor = station.next_packet()
    assert set(poor.layers) <= {Layer.CAPTION, Layer.MOTION}
    assert poor.refresh
    answer = station.handlers["set-policy"]({"planes": 4, "vector": True})
    assert answer == {"planes": 4, "vector": False, "still_bytes": 50}
    assert set(station.next_packet().layers) == ALL - {Layer.APPEARANCE_DETAIL}


def test_a_policy_may_go_back_to_what_the_bundle_says(station: Station, pipeline: Pipeline) -> None:
    usual = pipeline.detail
    station.handlers["set-policy"]({"planes": 0})
    assert station.handlers["set-policy"]({"planes": None})["planes"] == usual.planes


def test_a_policy_that_changes_nothing_costs_no_refresh(station: Station) -> None:
    station.next_packet()
    station.handlers["set-policy"]({})
    assert not station.next_packet().refresh


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"planes": 1}, "planes is 1"),
        ({"planes": 200}, "planes is 200"),
        ({"planes": 256}, "planes"),
        ({"planes": "many"}, "planes"),
        ({"planes": 4.5}, "planes"),
        ({"vector": 1}, "vector"),
        ({"still_bytes": -1}, "still_bytes"),
        ({"still_bytes": None}, "still_bytes"),
        ({"redaction": False}, "redaction"),
    ],
)
def test_a_policy_that_the_settings_would_refuse_changes_nothing(
    station: Station, pipeline: Pipeline, arguments: dict[str, str | float | None], named: str
) -> None:
    before = pipeline.detail
    with pytest.raises(CommandError, match=named):
        station.handlers["set-policy"]({"still_bytes": 7, **arguments})
    assert pipeline.detail == before


def test_another_bundle_is_not_for_this_version(station: Station) -> None:
    with pytest.raises(CommandError, match="not supported by this version"):
        station.handlers["set-bundle"]({"name": "sd-animate"})
