"""What the cloud may ask: checked like the settings, and in force from the next segment on."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.allowance import Limits
from edge.budget import Budget
from edge.camera import open_camera
from edge.commands import CommandError, Handler
from edge.composer import Composer
from edge.outfit import links_of
from edge.pipeline import Pipeline, Settings, raw_segments, short_side_px
from edge.policy import Policy
from edge.privacy.guard import Guard
from edge.segmenter import RawSegment
from edge.verbs import Verbs
from tests.edge.films import panned, texture, write_film
from wire import documents
from wire.bundle import Bundle
from wire.documents import Reply, Value
from wire.packet import Layer, Packet
from wire.policy import Link, Network, Sender
from wire.telemetry import policy_id

BOOT = bytes(range(8))
NO_LIMITS = {"bytes_per_s": None, "burst_bytes": 16384, "bytes_per_month": None}
STATED: dict[str, Value] = {
    "off": False, "on_motion": False, "faces": "keep", "text": "keep", "people": "keep", "plates": "keep",
    "words": "", "picture_px": None, "noise": 0.0,
    "layers": "caption,motion,appearance-vector,appearance-tokens,appearance-detail",
}  # fmt: skip
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
        self.budget = Budget(Limits())
        self.guard = Guard(pipeline.allowed.tables.sender, pipeline.bundle)
        self.policy = Policy(pipeline, self.composers, self.budget, self.guard)
        self.handlers: dict[str, Handler] = Verbs(BOOT, self.composers, self.policy).handlers()
        self._pipeline = pipeline
        self._raws = raws
        self._start_ms = 0

    def next_packet(self, camera: str = "door") -> Packet:
        raw = replace(self._raws[0], start_ms=self._start_ms)
        self._start_ms += 2000
        return self._pipeline.describe(raw, self.composers[camera]).packet


@pytest.fixture
def station(pipeline: Pipeline, raws: list[RawSegment]) -> Iterator[Station]:
    (planes, still_bytes, vector), sender = pipeline.wish, pipeline.allowed.tables.sender
    yield Station(pipeline, raws)
    pipeline.adopt(sender, planes, still_bytes, vector=vector)


def test_what_is_in_force_has_one_number_on_both_sides_of_an_answer(station: Station) -> None:
    asked: dict[str, Value] = {"bytes_per_s": 62, "bytes_per_month": 40_000_000, "planes": 6}
    result = station.handlers["set-policy"](asked)
    answer = documents.decode_reply(documents.encode(Reply("a", ok=True, result=result)))
    assert policy_id(answer.result) == policy_id(station.policy.in_force())
    station.handlers["set-policy"]({"bytes_per_s": 63})
    assert policy_id(answer.result) != policy_id(station.policy.in_force())


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
        **NO_LIMITS,
        **STATED,
    }
    poor = station.next_packet()
    assert set(poor.layers) <= {Layer.CAPTION, Layer.MOTION}
    assert poor.refresh
    answer = station.handlers["set-policy"]({"planes": 4, "vector": True})
    assert answer == {"planes": 4, "vector": False, "still_bytes": 50, **NO_LIMITS, **STATED}
    assert set(station.next_packet().layers) == ALL - {Layer.APPEARANCE_DETAIL}


def test_a_policy_may_go_back_to_what_the_bundle_says(station: Station, pipeline: Pipeline) -> None:
    usual = pipeline.detail
    station.handlers["set-policy"]({"planes": 0})
    assert station.handlers["set-policy"]({"planes": None})["planes"] == usual.planes


def test_a_policy_limits_what_is_sent_and_lifts_the_limit_again(station: Station) -> None:
    answer = station.handlers["set-policy"]({"bytes_per_s": 62.5, "bytes_per_month": 50_000_000})
    assert (answer["bytes_per_s"], answer["bytes_per_month"]) == (62.5, 50_000_000)
    assert station.budget.limits == Limits(62.5, 16384, 50_000_000)
    answer = station.handlers["set-policy"]({"bytes_per_month": None, "burst_bytes": 4096})
    assert station.budget.limits == Limits(62.5, 4096, None)


@pytest.mark.parametrize("arguments", [{"bytes_per_month": 1000}, {"bytes_per_s": 0}, {"burst_bytes": 1}])
def test_a_budget_that_keeps_no_device_connected_is_refused_and_nothing_changes(
    station: Station, pipeline: Pipeline, arguments: dict[str, int]
) -> None:
    before = pipeline.detail
    with pytest.raises(CommandError, match=next(iter(arguments))):
        station.handlers["set-policy"]({"planes": 0, **arguments})
    assert (station.budget.limits, pipeline.detail) == (Limits(), before)


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


def test_what_the_sender_states_can_be_tightened_and_loosened_again(station: Station) -> None:
    planes = station.handlers["set-policy"]({})["planes"]
    station.next_packet()
    answer = station.handlers["set-policy"]({"layers": "caption, motion", "words": "gender,age", "off": True})
    assert (answer["layers"], answer["words"], answer["off"]) == ("caption,motion", "gender,age", True)
    assert answer["planes"] == 0
    assert station.guard.sender.off
    assert not station.guard.rules("door").is_open
    poor = station.next_packet()
    assert poor.refresh
    assert set(poor.layers) <= {Layer.CAPTION, Layer.MOTION}
    answer = station.handlers["set-policy"]({"layers": STATED["layers"], "words": "", "off": False})
    assert (answer["off"], answer["planes"]) == (False, planes)
    assert set(station.next_packet().layers) == ALL


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"people": "redact"}, r"people cannot be redacted.*\[detectors\.people\]"),
        ({"layers": "pictures"}, "pictures"),
        ({"layers": ""}, "nothing could be sent"),
        ({"layers": "caption", "planes": 4}, "planes 4 is more than the 0 that sender allows"),
        ({"layers": "caption", "vector": True}, "sender.layers has no appearance-vector"),
        ({"faces": "blur"}, "blur"),
        ({"noise": -1.0}, "noise"),
        ({"remote": True}, "remote"),
        ({"off": True, "planes": 200}, "planes is 200"),
    ],
)
def test_what_cannot_be_hidden_as_asked_changes_nothing(
    station: Station, pipeline: Pipeline, arguments: dict[str, str | float | bool], reason: str
) -> None:
    before = pipeline.allowed.tables.sender, pipeline.detail
    with pytest.raises(CommandError, match=reason):
        station.handlers["set-policy"](arguments)
    assert (pipeline.allowed.tables.sender, pipeline.detail) == before
    assert station.guard.sender == before[0]


def test_beyond_the_devices_own_file_nothing_is_loosened(tiny: Path, raws: list[RawSegment]) -> None:
    own = Sender(layers=("caption", "motion", "appearance-tokens"), words=("gender",))
    strict = Station(Pipeline(Bundle.load(tiny, "edge"), Settings(sender=own)), raws)
    for arguments in ({"words": "age"}, {"layers": "caption,appearance-vector"}):
        with pytest.raises(CommandError, match="may not be loosened from afar"):
            strict.handlers["set-policy"](arguments)
    assert strict.handlers["set-policy"]({"words": "gender,age"})["words"] == "gender,age"
    assert Layer.APPEARANCE_DETAIL not in strict.next_packet().layers


@pytest.mark.parametrize(("verb", "what"), [("set-release", "release"), ("set-bundle", "bundle")])
def test_a_device_without_an_updater_takes_no_release(station: Station, verb: str, what: str) -> None:
    with pytest.raises(CommandError, match="updates are not set up on this device"):
        station.handlers[verb]({what: "0123456789abcdef"})
    with pytest.raises(CommandError, match="16 hexadecimal digits"):
        station.handlers[verb]({what: "tiny"})
    answer = station.handlers["ping"]({})
    assert (answer["release"], answer["bundle"], answer["update"]) == (None, None, "none")


def test_a_link_changes_what_is_sent_and_answers_name_it(tiny: Path, raws: list[RawSegment]) -> None:
    pipeline = Pipeline(Bundle.load(tiny, "edge"), Settings(threads=2))
    station = Station(pipeline, raws)
    network = Network(link=(Link("lte", "wwan*", layers=("caption", "motion"), planes=0, latency_ms=4000),))
    links = links_of(network, pipeline, station.composers)
    policy = Policy(pipeline, station.composers, station.budget, station.guard, links)
    handlers = Verbs(BOOT, station.composers, policy, links).handlers()
    assert set(station.next_packet().layers) == ALL
    links.follow("lte")
    assert set(station.next_packet().layers) == {Layer.CAPTION, Layer.MOTION}
    assert links.network.latency_ms == 4000
    assert handlers["ping"]({})["link"] == "lte"
    answer = handlers["set-policy"]({"still_bytes": 90})
    assert (answer["link"], answer["planes"], answer["layers"]) == ("lte", 0, "caption,motion")
    links.follow("")
    back = station.next_packet()
    assert back.refresh  # it builds on nothing that had to wait
    assert Layer.APPEARANCE_TOKENS in back.layers
    assert policy.in_force()["link"] == ""


def test_without_links_answers_name_none(station: Station) -> None:
    assert "link" not in station.handlers["ping"]({})
