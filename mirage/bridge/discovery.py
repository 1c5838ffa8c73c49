"""What Home Assistant is told of a device, so that it shows it: MQTT discovery, one document for a device.

    homeassistant/device/mirage_acme_north_edge-1/config    retained; empty takes the device back
    mirage-bridge/status                                    online, or offline: the will
    mirage-bridge/acme/north/edge-1/state                   {"connected", "state", "since"}, retained
    mirage-bridge/acme/north/edge-1/traffic             {"event_type", …}: budgets, unusual usage
    mirage-bridge/acme/north/edge-1/door/caption            {"caption", "text", …}, retained
    mirage-bridge/acme/north/edge-1/door/alert              {"event_type", …}: an alert is no state
    mirage-bridge/acme/north/edge-1/door/picture            a JPEG, retained

What is of a whole site or tenant has "-" for the names that it lacks: mirage-bridge/acme/north/-/traffic.
Ids have no underscore, so names that are joined with one can be taken apart again. The format is that of
https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload (2024.12 or later).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from mirage.version import SOFTWARE
from wire.notices import ALL
from wire.topics import TopicError, check_camera, check_id

ORIGIN = "mirage-bridge"
ONLINE, OFFLINE = b"online", b"offline"
ALERT, LATE_ALERT = "alert", "late_alert"
BUDGET_REACHED, UNUSUAL_USAGE = "budget_reached", "unusual_usage"
_PLATFORMS = {"caption": "sensor", "alert": "event", "picture": "image"}

Component = dict[str, object]


class Place(NamedTuple):
    """A device: tenant, site and its id. A whole site or tenant has "-" for what it does not name."""

    tenant: str
    site: str
    device: str

    @property
    def object_id(self) -> str:
        """What Home Assistant calls the device in its topics and registers."""
        return f"mirage_{self.tenant}_{self.site}_{self.device}"

    @property
    def is_device(self) -> bool:
        """Tell a device from a site and a tenant."""
        return self.device != ALL

    @property
    def title(self) -> str:
        """What people read."""
        if self.is_device:
            return f"{self.device} ({self.site})"
        return f"Tenant {self.tenant}" if self.site == ALL else f"Site {self.site}"

    @property
    def model(self) -> str:
        """What kind of thing it is, and whose."""
        return f"{'Camera device' if self.is_device else 'Budgets'} of {self.tenant}"


@dataclass(frozen=True, slots=True)
class Names:
    """The topics at Home Assistant's broker."""

    discovery_prefix: str
    topic_prefix: str

    @property
    def status(self) -> str:
        return f"{self.topic_prefix}/status"

    def config(self, place: Place) -> str:
        """Name the topic of a device's document."""
        return f"{self.discovery_prefix}/device/{place.object_id}/config"

    @property
    def configs(self) -> str:
        """The filter for the documents of all devices, of whatever origin."""
        return f"{self.discovery_prefix}/device/+/config"

    @property
    def states(self) -> str:
        """The filter for the states of all our devices."""
        return f"{self.topic_prefix}/+/+/+/state"

    def state(self, place: Place) -> str:
        return f"{self.topic_prefix}/{'/'.join(place)}/state"

    def traffic(self, place: Place) -> str:
        """Name the topic of what is told of a place's traffic."""
        return f"{self.topic_prefix}/{'/'.join(place)}/traffic"

    def of_camera(self, place: Place, camera: str, what: str) -> str:
        """Name the topic of a camera's caption, alert or picture."""
        return f"{self.topic_prefix}/{'/'.join(place)}/{camera}/{what}"

    def place_of_state(self, topic: str) -> Place | None:
        """Tell whose state is published under a topic; None if it is none of ours."""
        head, _, rest = topic.removesuffix("/state").partition(f"{self.topic_prefix}/")
        parts = rest.split("/")
        return _place(parts) if not head and topic.endswith("/state") else None


@dataclass(frozen=True, slots=True)
class Facts:
    """What a device's document says. `gone` are cameras that it had; `traffic`: notices of it are heard."""

    place: Place
    cameras: tuple[str, ...]
    gone: tuple[str, ...] = ()
    software: str | None = None
    url: str | None = None
    pictures: bool = False
    traffic: bool = True


def document(names: Names, facts: Facts) -> bytes:
    """Write a device's document."""
    device: dict[str, object] = {
        "identifiers": [facts.place.object_id],
        "name": facts.place.title,
        "manufacturer": "Mirage",
        "model": facts.place.model,
    }
    if facts.software is not None:
        device["sw_version"] = facts.software
    if facts.url is not None:
        device["configuration_url"] = facts.url
    components = {"connectivity": _connectivity(names, facts.place)} if facts.place.is_device else {}
    if facts.traffic:
        components["traffic"] = _traffic(names, facts.place)
    for camera in facts.cameras:
        components |= _camera(names, facts, camera)
    for camera in facts.gone:
        # Without anything but its platform, a component is removed.
        components |= {f"{camera}_{what}": {"platform": _PLATFORMS[what]} for what in _PLATFORMS}
    return msgspec.json.encode(
        {
            "device": device,
            "origin": {"name": ORIGIN, "sw_version": SOFTWARE},
            "availability": [{"topic": names.status}],
            "qos": 1,
            "components": components,
        }
    )


class Recalled(NamedTuple):
    """What a document says that a bridge published earlier."""

    place: Place
    cameras: tuple[str, ...]


def recall(names: Names, topic: str, payload: bytes) -> Recalled | None:
    """Read a document that the broker kept; None where it is not of a bridge with our prefix."""
    try:
        found = msgspec.json.decode(payload, type=_Kept)
    except msgspec.DecodeError:
        return None
    ours = found.origin.get("name") == ORIGIN and {"topic": names.status} in found.availability
    object_id = topic.removesuffix("/config").rpartition("/")[2]
    prefix, *parts = object_id.split("_")
    place = _place(parts)
    if not ours or prefix != "mirage" or place is None:
        return None
    return Recalled(place, tuple(_cameras(found.components)))


class _Kept(msgspec.Struct):
    origin: dict[str, object] = {}
    availability: list[dict[str, object]] = []
    components: dict[str, Component] = {}


def _cameras(components: Mapping[str, Component]) -> Iterable[str]:
    for key, component in components.items():
        camera, _, what = key.partition("_")
        if what == "caption" and len(component) > 1:
            try:
                yield check_camera(camera)
            except TopicError:
                continue


def _place(parts: list[str]) -> Place | None:
    if len(parts) != 3:
        return None
    try:
        return Place(*(check_id("id", part) for part in parts))
    except TopicError:
        return None


def _connectivity(names: Names, place: Place) -> Component:
    return {
        "platform": "binary_sensor",
        "unique_id": f"{place.object_id}_connectivity",
        "name": "Connectivity",
        "device_class": "connectivity",
        "entity_category": "diagnostic",
        "state_topic": names.state(place),
        "value_template": "{{ value_json.connected }}",
        "json_attributes_topic": names.state(place),
    }


def _traffic(names: Names, place: Place) -> Component:
    return {
        "platform": "event",
        "unique_id": f"{place.object_id}_traffic",
        "name": "Traffic",
        "icon": "mdi:swap-vertical",
        "entity_category": "diagnostic",
        "event_types": [BUDGET_REACHED, UNUSUAL_USAGE],
        "state_topic": names.traffic(place),
    }


def _camera(names: Names, facts: Facts, camera: str) -> dict[str, Component]:
    """Give the components of a camera. A last caption stays what it is while the device is away."""
    unique = f"{facts.place.object_id}_{camera}"
    caption = names.of_camera(facts.place, camera, "caption")
    components: dict[str, Component] = {
        f"{camera}_caption": {
            "platform": "sensor",
            "unique_id": f"{unique}_caption",
            "name": f"{camera} last caption",
            "icon": "mdi:text-box-outline",
            "state_topic": caption,
            "value_template": "{{ value_json.caption }}",
            "json_attributes_topic": caption,
        },
        f"{camera}_alert": {
            "platform": "event",
            "unique_id": f"{unique}_alert",
            "name": f"{camera} alert",
            "icon": "mdi:bell-alert-outline",
            "event_types": [ALERT, LATE_ALERT],
            "state_topic": names.of_camera(facts.place, camera, "alert"),
        },
    }
    if facts.pictures:
        components[f"{camera}_picture"] = {
            "platform": "image",
            "unique_id": f"{unique}_picture",
            "name": f"{camera} picture (AI-reconstructed)",
            "image_topic": names.of_camera(facts.place, camera, "picture"),
            "content_type": "image/jpeg",
        }
    return components
