"""What Home Assistant is told of a device: by its rules, and so that we know it again."""

import json
import re
from typing import Any

import pytest

from mirage.bridge.discovery import Facts, Names, Place, document, recall

NAMES = Names("homeassistant", "mirage-bridge")
PLACE = Place("acme", "north", "edge-1")
FACTS = Facts(PLACE, ("door", "yard"), ("attic",), "mirage 1", "https://mirage.example", pictures=True)
# What homeassistant/components/mqtt/ has for each platform; other keys it would drop, silently.
COMMON = {"platform", "unique_id", "name", "icon", "entity_category", "json_attributes_topic"}
OWN = {
    "binary_sensor": {"device_class", "state_topic", "value_template"},
    "sensor": {"state_topic", "value_template"},
    "event": {"state_topic", "event_types"},
    "image": {"image_topic", "content_type"},
}


def told(facts: Facts = FACTS) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(document(NAMES, facts))
    return whole


def test_a_document_has_what_home_assistant_requires() -> None:
    whole = told()
    assert whole["device"]["identifiers"] == ["mirage_acme_north_edge-1"]
    assert whole["device"].keys() <= {
        "identifiers", "name", "manufacturer", "model", "sw_version", "configuration_url",
    }  # fmt: skip
    assert whole["origin"]["name"] == "mirage-bridge"
    assert whole["availability"] == [{"topic": "mirage-bridge/status"}]
    assert whole.keys() == {"device", "origin", "availability", "qos", "components"}
    for component in whole["components"].values():
        allowed = COMMON | OWN[component["platform"]]
        assert component.keys() <= allowed
        assert component.keys() == {"platform"} or "unique_id" in component


def test_each_camera_has_a_caption_alerts_and_a_picture_and_the_device_a_connection() -> None:
    components = told()["components"]
    assert {key: component["platform"] for key, component in components.items()} == {
        "connectivity": "binary_sensor", "traffic": "event",
        "door_caption": "sensor", "door_alert": "event", "door_picture": "image",
        "yard_caption": "sensor", "yard_alert": "event", "yard_picture": "image",
        "attic_caption": "sensor", "attic_alert": "event", "attic_picture": "image",
    }  # fmt: skip
    assert components["attic_caption"] == {"platform": "sensor"}  # which removes it
    unique = [component["unique_id"] for component in components.values() if "unique_id" in component]
    assert len(set(unique)) == len(unique) == 8


def test_without_a_server_there_are_no_pictures_and_no_links() -> None:
    whole = told(Facts(PLACE, ("door",)))
    assert whole["components"].keys() == {"connectivity", "traffic", "door_caption", "door_alert"}
    assert whole["device"].keys() == {"identifiers", "name", "manufacturer", "model"}


@pytest.mark.parametrize(
    ("place", "name"),
    [(Place("acme", "north", "-"), "Site north"), (Place("acme", "-", "-"), "Tenant acme")],
)
def test_a_site_and_a_tenant_have_traffic_and_nothing_else(place: Place, name: str) -> None:
    whole = told(Facts(place, ()))
    assert whole["components"].keys() == {"traffic"}
    assert (whole["device"]["name"], whole["device"]["model"]) == (name, "Budgets of acme")
    assert recall(NAMES, NAMES.config(place), document(NAMES, Facts(place, ()))) == (place, ())


def test_where_no_notices_are_heard_there_is_no_traffic() -> None:
    assert "traffic" not in told(Facts(PLACE, ("door",), traffic=False))["components"]


def test_topics_are_such_as_home_assistant_reads() -> None:
    # TOPIC_MATCHER of homeassistant/components/mqtt/discovery.py
    assert re.fullmatch(r"homeassistant/device/[a-zA-Z0-9_-]+/config", NAMES.config(PLACE))
    assert NAMES.of_camera(PLACE, "door", "caption") == "mirage-bridge/acme/north/edge-1/door/caption"


def test_a_document_is_known_again_with_the_cameras_that_were_there() -> None:
    assert recall(NAMES, NAMES.config(PLACE), document(NAMES, FACTS)) == (PLACE, ("door", "yard"))
    assert NAMES.place_of_state(NAMES.state(PLACE)) == PLACE


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (NAMES.config(PLACE), b"{"),
        (NAMES.config(PLACE), b'{"origin": {"name": "zigbee2mqtt"}}'),
        (NAMES.config(PLACE), document(Names("homeassistant", "other"), FACTS)),
        ("homeassistant/device/mirage_acme_north/config", document(NAMES, FACTS)),
        ("homeassistant/device/zigbee_acme_north_edge-1/config", document(NAMES, FACTS)),
        ("homeassistant/device/mirage_ACME_north_edge-1/config", document(NAMES, FACTS)),
    ],
)
def test_what_others_publish_is_none_of_ours(topic: str, payload: bytes) -> None:
    assert recall(NAMES, topic, payload) is None


@pytest.mark.parametrize(
    "topic", ["mirage-bridge/status", "other/acme/north/edge-1/state", "x/mirage-bridge/a/b/c/state"]
)
def test_other_topics_are_no_state_of_ours(topic: str) -> None:
    assert NAMES.place_of_state(topic) is None
