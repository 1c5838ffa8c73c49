"""What Home Assistant is told of what is heard: devices, cameras, captions, alerts."""

import json
from typing import Any

import pytest

from mirage.bridge.discovery import Names, Place
from mirage.bridge.fleet import Fleet, Publication
from mirage.subscriber.connection import Message
from mirage.subscriber.heard import Heard, read
from tests.told import (
    BOOT,
    alert,
    budget_reached,
    described,
    rendered,
    segment,
    topic_and_payload,
    usage_unusual,
)
from wire import documents
from wire.documents import Birth, CameraInfo, State
from wire.events import Event
from wire.topics import DeviceTopics

NAMES = Names("homeassistant", "mirage-bridge")
DEVICE = DeviceTopics("acme", "north", "edge-1")
PLACE = Place("acme", "north", "edge-1")
ROOT = "mirage-bridge/acme/north/edge-1"
CONFIG = "homeassistant/device/mirage_acme_north_edge-1/config"
NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000


def new_fleet(**wishes: Any) -> Fleet:  # noqa: ANN401 (passed on)
    return Fleet(NAMES, **wishes)


def state(name: str, boot: str = BOOT) -> Heard:
    return read(Message(DEVICE.state, documents.encode(State(name, boot)), True, 1, 1))  # type: ignore[arg-type]  # noqa: FBT003


def birth(*cameras: str, boot: str = BOOT, software: str = "mirage 1") -> Heard:
    infos = tuple(CameraInfo(name, 640, 360, 25.0) for name in cameras)
    document = Birth("edge-1", boot, 0, 0, software, "tiny", "9f86d081884c7d65", infos)
    return read(Message(DEVICE.birth, documents.encode(document), True, 1, 1))  # noqa: FBT003


def told(event: Event) -> Heard:
    return read(Message(*topic_and_payload(event), False, 1, 1))  # noqa: FBT003


def by_topic(publications: list[Publication]) -> dict[str, Any]:
    """Give payloads by topic; None for what is taken back."""
    assert all(each.retain for each in publications if each.topic != f"{ROOT}/door/alert")
    return {each.topic: json.loads(each.payload) if each.payload else None for each in publications}


def components(publications: list[Publication]) -> set[str]:
    whole = by_topic(publications)[CONFIG]["components"]
    return {key for key, component in whole.items() if len(component) > 1}


def test_a_birth_brings_a_device_with_its_cameras_once() -> None:
    fleet = new_fleet()
    publications = fleet.hear(birth("door", "yard"), NOW_MS)
    assert components(publications) == {
        "connectivity", "traffic", "door_caption", "door_alert", "yard_caption", "yard_alert",
    }  # fmt: skip
    assert by_topic(publications)[CONFIG]["device"]["sw_version"] == "mirage 1"
    assert fleet.hear(birth("door", "yard"), NOW_MS) == []
    assert fleet.hear(birth("door", "yard", boot="f" * 16), NOW_MS) == []
    assert by_topic(fleet.hear(birth("door", "yard", software="mirage 2"), NOW_MS)).keys() == {CONFIG}


def test_states_become_connections_and_a_late_will_of_an_earlier_boot_changes_nothing() -> None:
    fleet = new_fleet()
    fleet.hear(birth("door"), NOW_MS)
    assert by_topic(fleet.hear(state("ready"), NOW_MS)) == {
        f"{ROOT}/state": {
            "connected": "ON", "state": "ready", "since": "2026-09-21T14:13:20.000Z", "since_ms": NOW_MS,
        },
    }  # fmt: skip
    assert fleet.hear(state("lost", "f" * 16), NOW_MS) == []
    lost = by_topic(fleet.hear(state("lost"), NOW_MS + 5))
    assert (lost[f"{ROOT}/state"]["connected"], lost[f"{ROOT}/state"]["since_ms"]) == ("OFF", NOW_MS + 5)
    assert fleet.hear(state("lost"), NOW_MS + 9) == []


def test_a_device_is_there_with_its_state_before_its_birth_comes() -> None:
    publications = new_fleet().hear(state("sleeping"), NOW_MS)
    assert components(publications) == {"connectivity", "traffic"}
    assert by_topic(publications)[f"{ROOT}/state"]["connected"] == "OFF"


def test_the_last_caption_is_that_of_the_latest_segment() -> None:
    fleet = new_fleet(url="https://mirage.example/")
    first = by_topic(fleet.hear(told(described(segment(5))), NOW_MS))
    assert first.keys() == {CONFIG, f"{ROOT}/door/caption"}  # a camera that no birth has named
    assert first[f"{ROOT}/door/caption"] == {
        "caption": "a person walks to the door",
        "text": "a person walks to the door",
        "camera": "acme/north/edge-1/door",
        "start": "2026-09-21T14:13:30.000Z",
        "segment": 5,
        "url": "https://mirage.example/api/v1/segments/5",
        "thumbnail": "https://mirage.example/api/v1/segments/5/thumb.jpg",
        "ai_reconstructed": True,
    }
    assert fleet.hear(told(described(segment(4))), NOW_MS) == []
    assert fleet.hear(told(described(segment(6, historical=True))), NOW_MS) == []
    assert fleet.hear(told(described(segment(6, None))), NOW_MS) == []
    assert fleet.hear(told(rendered(segment(6))), NOW_MS) == []
    revised = by_topic(fleet.hear(told(described(segment(5, "a dog"), revised=True)), NOW_MS))
    assert revised[f"{ROOT}/door/caption"]["caption"] == "a dog"


def test_a_caption_is_no_longer_than_home_assistant_takes() -> None:
    said = by_topic(new_fleet().hear(told(described(segment(1, "é" * 300))), NOW_MS))[f"{ROOT}/door/caption"]
    assert said["caption"] == "é" * 254 + "…"
    assert said["text"] == "é" * 300


@pytest.mark.parametrize(("historical", "kind"), [(False, "alert"), (True, "late_alert")])
def test_an_alert_is_an_event_and_one_that_comes_late_is_another(historical: object, kind: str) -> None:
    fleet = new_fleet(url="https://mirage.example")
    fleet.hear(birth("door"), NOW_MS)
    (publication,) = fleet.hear(told(alert(segment(1, historical=bool(historical)))), NOW_MS)
    assert (publication.topic, publication.retain) == (f"{ROOT}/door/alert", False)
    said = json.loads(publication.payload)
    assert (said["event_type"], said["alert"], said["text"]) == (
        kind,
        "Parcels",
        "a person walks to the door",
    )
    assert said["page"] == "https://mirage.example/?segment=1"


def test_what_is_told_of_a_devices_traffic_is_an_event_of_it() -> None:
    fleet = new_fleet()
    fleet.hear(birth("door"), NOW_MS)
    (reached,) = fleet.hear(told(budget_reached("acme/north/edge-1")), NOW_MS)
    assert (reached.topic, reached.retain) == (f"{ROOT}/traffic", False)
    assert json.loads(reached.payload) == {
        "event_type": "budget_reached", "place": "acme/north/edge-1", "time": "2026-09-21T14:13:22.500Z",
        "percent": 90, "used": 27_300_000, "budget": 30_000_000,
        "from": "2026-09-01T00:00:00.000Z", "to": "2026-10-01T00:00:00.000Z",
    }  # fmt: skip
    (unusual,) = fleet.hear(told(usage_unusual("acme/north/edge-1")), NOW_MS)
    assert json.loads(unusual.payload) == {
        "event_type": "unusual_usage", "place": "acme/north/edge-1", "time": "2026-09-21T14:13:22.500Z",
        "hour": "2026-09-21T13:00:00.000Z", "bytes": 900_000, "expected": 100_000, "most": 300_000,
    }  # fmt: skip


@pytest.mark.parametrize(("place", "path"), [("acme", "acme/-/-"), ("acme/north", "acme/north/-")])
def test_a_site_or_a_tenant_comes_with_its_first_notice_and_stays(place: str, path: str) -> None:
    fleet = new_fleet()
    config, traffic = fleet.hear(told(budget_reached(place, 70)), NOW_MS)
    assert config.topic == f"homeassistant/device/mirage_{path.replace('/', '_')}/config"
    assert json.loads(config.payload)["components"].keys() == {"traffic"}
    assert traffic.topic == f"mirage-bridge/{path}/traffic"
    assert [each.topic for each in fleet.hear(told(budget_reached(place)), NOW_MS)] == [traffic.topic]
    again = kept(fleet)
    assert again.settle(NOW_MS) == []  # it has no state that could be unknown
    assert again.tick(NOW_MS + 1000 * DAY_MS) == []
    assert again.everything() == [config]


def test_a_camera_that_a_birth_no_longer_names_is_removed_and_may_come_back() -> None:
    fleet = new_fleet(pictures=True)
    fleet.hear(birth("door", "yard"), NOW_MS)
    publications = fleet.hear(birth("yard"), NOW_MS)
    said = by_topic(publications)
    assert said[CONFIG]["components"]["door_caption"] == {"platform": "sensor"}
    assert said[CONFIG]["components"]["door_picture"] == {"platform": "image"}
    assert said[f"{ROOT}/door/caption"] is said[f"{ROOT}/door/picture"] is None
    assert components(publications) == {
        "connectivity", "traffic", "yard_caption", "yard_alert", "yard_picture",
    }  # fmt: skip
    assert "door_caption" in components(fleet.hear(birth("door", "yard"), NOW_MS))


def test_only_the_wanted_camera_of_a_birth_is_shown() -> None:
    publications = new_fleet(camera="door").hear(birth("door", "yard"), NOW_MS)
    assert components(publications) == {"connectivity", "door_caption", "door_alert"}


def test_a_device_whose_state_is_taken_back_is_removed_with_all_that_is_kept_of_it() -> None:
    fleet = new_fleet()
    fleet.hear(birth("door", "yard"), NOW_MS)
    fleet.hear(birth("yard"), NOW_MS)
    publications = fleet.hear(read(Message(DEVICE.state, b"", False, 1, 1)), NOW_MS)  # noqa: FBT003
    assert by_topic(publications) == dict.fromkeys(
        (CONFIG, *(f"{ROOT}/{name}" for name in (
            "state", "door/caption", "door/picture", "yard/caption", "yard/picture",
        )))
    )  # fmt: skip
    assert fleet.places == []
    assert fleet.hear(read(Message(DEVICE.state, b"", False, 1, 1)), NOW_MS) == []  # noqa: FBT003


def test_what_is_taken_back_is_said_again_until_it_is_confirmed() -> None:
    fleet = new_fleet()
    fleet.hear(state("ready"), NOW_MS)
    fleet.confirm()
    publications = fleet.remove(PLACE)
    assert fleet.everything() == publications
    fleet.confirm()
    assert fleet.everything() == []


def test_a_device_that_is_away_for_too_long_is_removed_and_one_that_is_there_is_not() -> None:
    fleet = new_fleet(forget_days=30)
    fleet.hear(state("ready"), NOW_MS)
    assert fleet.tick(NOW_MS + 1000 * DAY_MS) == []
    fleet.hear(state("lost"), NOW_MS)
    assert fleet.tick(NOW_MS + 30 * DAY_MS) == []
    assert by_topic(fleet.tick(NOW_MS + 30 * DAY_MS + 1)).keys() >= {CONFIG, f"{ROOT}/state"}
    for_ever = new_fleet(forget_days=0)
    for_ever.hear(state("lost"), NOW_MS)
    assert for_ever.tick(NOW_MS + 10_000 * DAY_MS) == []


def kept(fleet: Fleet) -> Fleet:
    """Start again with what the broker has kept."""
    again = new_fleet()
    for publication in fleet.everything():
        again.recall(publication.topic, publication.payload)
    return again


def test_a_device_that_vanished_while_the_bridge_was_down_is_forgotten_in_time() -> None:
    fleet = new_fleet()
    fleet.hear(birth("door"), NOW_MS)
    fleet.hear(state("ready"), NOW_MS)
    again = kept(fleet)
    assert again.places == [PLACE]
    later_ms = NOW_MS + 90 * DAY_MS
    assert again.tick(later_ms) == []
    said = by_topic(again.settle(later_ms))[f"{ROOT}/state"]
    assert (said["connected"], said["state"]) == ("OFF", "unknown")
    assert again.settle(later_ms + 1) == []
    assert again.tick(later_ms + 30 * DAY_MS) == []
    gone = by_topic(again.tick(later_ms + 30 * DAY_MS + 1))
    assert gone.keys() >= {CONFIG, f"{ROOT}/state", f"{ROOT}/door/caption"}


def test_how_long_a_device_has_been_away_outlives_the_bridge() -> None:
    fleet = new_fleet()
    fleet.hear(state("lost"), NOW_MS)
    again = kept(fleet)
    assert again.hear(state("lost"), NOW_MS + 20 * DAY_MS) == []
    assert again.settle(NOW_MS + 20 * DAY_MS) == []
    assert again.tick(NOW_MS + 30 * DAY_MS + 1) != []


def test_a_device_that_is_heard_of_is_not_unknown() -> None:
    again = kept_with_state()
    assert again.hear(state("ready"), NOW_MS) == []
    assert again.settle(NOW_MS) == []


def test_events_keep_a_device_whose_state_may_not_be_read() -> None:
    again = kept_with_state()
    again.settle(NOW_MS)
    again.hear(told(described(segment(1))), NOW_MS + 29 * DAY_MS)
    assert again.tick(NOW_MS + 31 * DAY_MS) == []


def kept_with_state() -> Fleet:
    fleet = new_fleet()
    fleet.hear(state("ready"), NOW_MS)
    return kept(fleet)


def test_everything_is_what_was_said_last() -> None:
    fleet = new_fleet()
    said = dict[str, Publication]()
    for heard in (birth("door"), state("ready"), told(described(segment(1))), told(alert(segment(2)))):
        said |= {each.topic: each for each in fleet.hear(heard, NOW_MS) if each.retain}
    assert {each.topic: each for each in fleet.everything()} == said


def test_there_are_not_more_devices_than_home_assistant_is_made_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirage.bridge.fleet.MAX_DEVICES", 1)
    fleet = new_fleet()
    fleet.hear(state("ready"), NOW_MS)
    assert fleet.hear(told(described(segment(1, camera="acme/north/edge-2/door"))), NOW_MS) == []
    assert fleet.hear(state("lost"), NOW_MS) != []


@pytest.mark.parametrize("payload", [b"{", b"[]", b'{"state": 5}'])
def test_rubbish_that_a_broker_kept_is_left_alone(payload: bytes) -> None:
    fleet = new_fleet()
    fleet.recall(f"{ROOT}/state", payload)
    fleet.recall(CONFIG, payload)
    assert fleet.places == []
