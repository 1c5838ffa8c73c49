"""What Home Assistant has been told of a fleet, and what it is to be told next. No network, no clock.

birth, state, event --hear--> publications         what its broker kept of us --recall--'
time ---------------tick----> publications: devices that have been away for long are taken back
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from mirage.bridge import discovery, traffic
from mirage.bridge.discovery import ALERT, LATE_ALERT, Facts, Names, Place
from mirage.subscriber.heard import Heard
from wire.documents import Birth, State
from wire.events import AlertRaised, Notice, SegmentDescribed, SegmentEvent, SegmentFacts, time_text

MAX_DEVICES = 10_000  # more than Home Assistant is made for
MAX_STATE = 255  # characters: Home Assistant refuses a sensor's state that is longer
UNKNOWN = "unknown"  # of a device that has been told of, and of which the broker says nothing
_READY = "ready"
_DAY_MS = 86_400_000


class Publication(NamedTuple):
    """What goes to Home Assistant's broker."""

    topic: str
    payload: bytes
    retain: bool = True


@dataclass(slots=True)
class _Presence:
    state: str
    since_ms: int


@dataclass(slots=True)
class _Camera:
    start_ms: int = -1  # of the segment whose caption was told last
    caption: bytes | None = None


@dataclass(slots=True)
class _Device:
    cameras: dict[str, _Camera] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    software: str | None = None
    boot_id: str | None = None
    presence: _Presence | None = None
    heard: bool = False  # of its state, from Mirage's broker


class Fleet:
    """Devices and cameras by what was heard of them. Times are milliseconds of the Unix epoch."""

    def __init__(
        self, names: Names, *, camera: str | None = None, url: str | None = None, pictures: bool = False,
        forget_days: float = 30.0,
    ) -> None:  # fmt: skip
        """`camera`: only those of this name, and no traffic; `url`: where the page is.

        Paths in events are below `url`.
        """
        self._names = names
        self._only = camera
        self._url = url
        self._pictures = pictures
        self._forget_ms = forget_days * _DAY_MS
        self._devices: dict[Place, _Device] = {}
        self._taken_back: list[Publication] = []  # and not confirmed

    def recall(self, topic: str, payload: bytes) -> None:
        """Take in what Home Assistant's broker kept of us: a device's document, or its state."""
        found = discovery.recall(self._names, topic, payload)
        if found is not None:
            device = self._devices.setdefault(found.place, _Device())
            device.cameras |= {name: _Camera() for name in found.cameras if name not in device.cameras}
        place = self._names.place_of_state(topic)
        if place is not None:
            try:
                kept = msgspec.json.decode(payload, type=_KeptState)
            except msgspec.DecodeError:
                return
            device = self._devices.setdefault(place, _Device())
            if device.presence is None:
                device.presence = _Presence(kept.state, kept.since_ms)

    def hear(self, heard: Heard, now_ms: int) -> list[Publication]:
        """Take in a message of Mirage's broker; of no new device beyond `MAX_DEVICES`."""
        place = Place(heard.topic.tenant, heard.topic.site, heard.topic.device)
        if place not in self._devices and len(self._devices) >= MAX_DEVICES:
            return []
        if heard.topic.leaf == "state":
            return self._state(place, heard.content, now_ms)
        if heard.topic.leaf == "birth" and heard.content is not None:
            return self._birth(place, msgspec.convert(heard.content, Birth))
        if isinstance(heard.event, Notice):
            return self._notice(place, heard.event)
        if heard.event is not None and heard.topic.camera is not None:
            return self._event(place, heard.topic.camera, heard.event, now_ms)
        return []

    def settle(self, now_ms: int) -> list[Publication]:
        """Note devices of which Mirage's broker has said nothing, though it has had the time."""
        told = list[Publication]()
        for place, device in self._devices.items():
            absent = device.presence is None or device.presence.state in (_READY, UNKNOWN)
            if place.is_device and not device.heard and absent:
                told += self._note(place, device, UNKNOWN, now_ms)
        return told

    def tick(self, now_ms: int) -> list[Publication]:
        """Take back devices that have been away for too long."""
        if not self._forget_ms:
            return []
        over = [
            place
            for place, device in self._devices.items()
            if device.presence is not None
            and device.presence.state != _READY
            and now_ms - device.presence.since_ms > self._forget_ms
        ]
        return [publication for place in over for publication in self.remove(place)]

    def everything(self) -> list[Publication]:
        """Say all of it again: to a broker that may have forgotten it, or has not got all."""
        told = list(self._taken_back)
        for place, device in self._devices.items():
            told.append(self._document(place, device))
            if device.presence is not None:
                told.append(self._presence(place, device.presence))
            for name, camera in device.cameras.items():
                if camera.caption is not None:
                    told.append(Publication(self._names.of_camera(place, name, "caption"), camera.caption))
        return told

    def confirm(self) -> None:
        """Learn that the broker has all that was given so far."""
        self._taken_back.clear()

    @property
    def places(self) -> list[Place]:
        """The devices that Home Assistant was told of."""
        return list(self._devices)

    def remove(self, place: Place) -> list[Publication]:
        """Take a device back, and all that is kept of it."""
        device = self._devices.pop(place, _Device())
        topics = [self._names.config(place), self._names.state(place)]
        for camera in sorted(device.cameras.keys() | device.gone):
            topics += self._kept_topics(place, camera)
        return self._take_back(topics)

    def _state(self, place: Place, content: object, now_ms: int) -> list[Publication]:
        if content is None:
            return self.remove(place) if place in self._devices else []
        state = msgspec.convert(content, State)
        new = place not in self._devices
        device = self._devices.setdefault(place, _Device())
        # The will of an earlier connection may come after the next birth.
        if state.state == "lost" and device.boot_id not in (None, state.boot_id):
            return []
        device.heard = True
        told = [self._document(place, device)] if new else []
        return told + self._note(place, device, state.state, now_ms)

    def _note(self, place: Place, device: _Device, state: str, now_ms: int) -> list[Publication]:
        if device.presence is not None and device.presence.state == state:
            return []
        device.presence = _Presence(state, now_ms)
        return [self._presence(place, device.presence)]

    def _birth(self, place: Place, birth: Birth) -> list[Publication]:
        device = self._devices.setdefault(place, _Device())
        before = (device.software, set(device.cameras), set(device.gone))
        fresh = device.boot_id is None
        device.software, device.boot_id = birth.software, birth.boot_id
        named = {camera.name for camera in birth.cameras if self._only in (None, camera.name)}
        left = sorted(device.cameras.keys() - named)
        device.gone = (device.gone | set(left)) - named
        device.cameras = {name: device.cameras.get(name, _Camera()) for name in sorted(named)}
        if not fresh and before == (device.software, set(device.cameras), set(device.gone)):
            return []
        topics = [topic for name in left for topic in self._kept_topics(place, name)]
        return [self._document(place, device), *self._take_back(topics)]

    def _notice(self, place: Place, notice: Notice) -> list[Publication]:
        new = place not in self._devices
        device = self._devices.setdefault(place, _Device())
        told = [self._document(place, device)] if new else []
        return [*told, Publication(self._names.traffic(place), traffic.told(notice), retain=False)]

    def _event(self, place: Place, name: str, event: SegmentEvent, now_ms: int) -> list[Publication]:
        device = self._devices.setdefault(place, _Device())
        told = list[Publication]()
        if name not in device.cameras:
            device.cameras[name] = _Camera()
            device.gone.discard(name)
            told.append(self._document(place, device))
        if device.presence is not None and device.presence.state == UNKNOWN:
            device.presence.since_ms = now_ms  # it is there, whatever may be read of its state
        segment, camera = event.data.segment, device.cameras[name]
        if isinstance(event, AlertRaised):
            topic = self._names.of_camera(place, name, "alert")
            told.append(Publication(topic, self._alert(event), retain=False))
        elif isinstance(event, SegmentDescribed) and _is_news(segment, camera):
            camera.start_ms, camera.caption = segment.start_ms, self._caption(segment)
            told.append(Publication(self._names.of_camera(place, name, "caption"), camera.caption))
        return told

    def _take_back(self, topics: Iterable[str]) -> list[Publication]:
        told = [Publication(topic, b"") for topic in topics]
        self._taken_back += told
        return told

    def _document(self, place: Place, device: _Device) -> Publication:
        facts = Facts(
            place,
            tuple(device.cameras),
            tuple(sorted(device.gone)),
            device.software,
            self._url,
            self._pictures,
            self._only is None,
        )
        return Publication(self._names.config(place), discovery.document(self._names, facts))

    def _presence(self, place: Place, presence: _Presence) -> Publication:
        told = {
            "connected": "ON" if presence.state == _READY else "OFF",
            "state": presence.state,
            "since": time_text(presence.since_ms),
            "since_ms": presence.since_ms,
        }
        return Publication(self._names.state(place), msgspec.json.encode(told))

    def _caption(self, segment: SegmentFacts) -> bytes:
        text = segment.caption or ""
        short = text if len(text) <= MAX_STATE else f"{text[: MAX_STATE - 1]}…"
        return msgspec.json.encode({"caption": short, "text": text, **self._seen(segment)})

    def _alert(self, event: AlertRaised) -> bytes:
        segment, alert = event.data.segment, event.data.alert
        kind = LATE_ALERT if segment.historical else ALERT
        told = {"event_type": kind, "alert": alert.name, "query": alert.query, "text": segment.caption}
        return msgspec.json.encode({**told, **self._seen(segment), "page": self._absolute(alert.page)})

    def _seen(self, segment: SegmentFacts) -> dict[str, object]:
        return {
            "camera": segment.camera,
            "start": time_text(segment.start_ms),
            "segment": segment.id,
            "url": self._absolute(segment.url),
            "thumbnail": self._absolute(segment.thumbnail),
            "ai_reconstructed": True,  # whatever picture there is
        }

    def _absolute(self, url: str) -> str:
        return f"{self._url.rstrip('/')}{url}" if self._url and url.startswith("/") else url

    def _kept_topics(self, place: Place, camera: str) -> Iterable[str]:
        return (self._names.of_camera(place, camera, what) for what in ("caption", "picture"))


class _KeptState(msgspec.Struct):
    state: str
    since_ms: int


def _is_news(segment: SegmentFacts, camera: _Camera) -> bool:
    """Tell whether a caption is the latest; events may come in another order, and twice."""
    return segment.caption is not None and not segment.historical and segment.start_ms >= camera.start_ms
