"""What people read of a message, and what programs get."""

import json

import pytest

from mirage.subscriber.connection import Message
from mirage.subscriber.heard import HeardError, read
from mirage.subscriber.seen import Seen
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
from wire.envelope import PlainEnvelope, SealedEnvelope
from wire.events import Event
from wire.topics import DeviceTopics

DEVICE = DeviceTopics("acme", "north", "edge-1")


def message(topic: str, payload: bytes, *, retained: bool = False) -> Message:
    return Message(topic, payload, retained, 1, 1)


def told(event: Event) -> Message:
    return message(*topic_and_payload(event))


@pytest.mark.parametrize(
    ("event", "what", "text"),
    [
        (described(segment(1)), "seen", "a person walks to the door"),
        (described(segment(1), revised=True), "seen", "revised: a person walks to the door"),
        (described(segment(1, None)), "seen", "(no caption)"),
        (described(segment(1, historical=True)), "seen", "a person walks to the door (late)"),
        (rendered(segment(7)), "video", "256x144, 48 kB, reconstructed: /api/v1/clips/7.mp4"),
        (alert(segment(1)), "alert", "Parcels: a person walks to the door"),
    ],
)
def test_an_event_is_one_line_for_people(event: Event, what: str, text: str) -> None:
    heard = read(told(event))
    assert (heard.what, heard.place, heard.text) == (what, "acme/north/edge-1/door", text)
    assert heard.event == event


@pytest.mark.parametrize("place", ["acme", "acme/north", "acme/north/edge-1"])
def test_a_notice_is_of_a_place_and_of_no_camera(place: str) -> None:
    heard = read(told(budget_reached(place)))
    assert (heard.what, heard.place) == ("budget", place)
    assert heard.text == "90 % reached: 27.3 MB of 30.0 MB up to 2026-10-01"
    assert heard.event == budget_reached(place)


def test_what_is_unusual_is_told_with_what_is_usual() -> None:
    heard = read(told(usage_unusual("acme/north/edge-1")))
    assert (heard.what, heard.place) == ("unusual", "acme/north/edge-1")
    assert heard.text == "900.0 kB in the hour from 2026-09-21T13:00Z, usual are 100.0 kB"


def test_programs_get_the_event_as_it_came_with_fields_of_later_versions() -> None:
    topic, payload = topic_and_payload(alert(segment(1)))
    later = json.loads(payload)
    later["traceparent"] = "00-11-22-01"
    document = read(message(topic, json.dumps(later).encode())).as_document(5)
    assert document["content"] == later
    assert (document["received_ms"], document["kind"], document["topic"]) == (5, "event", topic)


def test_a_type_of_a_later_version_is_shown_and_its_text_commands_no_terminal() -> None:
    topic, payload = topic_and_payload(described(segment(1)))
    event = json.loads(payload) | {"type": "mirage.dream.\x1b]0;title\x07"}
    heard = read(message(topic, json.dumps(event).encode()))
    assert heard.event is None
    assert heard.what == "mirage.dream.\N{REPLACEMENT CHARACTER}]0;title\N{REPLACEMENT CHARACTER}"
    assert heard.content == event


def test_a_caption_commands_no_terminal() -> None:
    heard = read(told(described(segment(1, "\x1b[2Jgone\u202e"))))
    assert heard.text == "\N{REPLACEMENT CHARACTER}[2Jgone\N{REPLACEMENT CHARACTER}"


def test_states_and_births_are_read() -> None:
    state = read(message(DEVICE.state, documents.encode(State("lost", BOOT)), retained=True))
    assert (state.what, state.place, state.text) == ("state", "acme/north/edge-1", "lost")
    assert state.as_document(0)["content"] == {"state": "lost", "boot_id": BOOT}
    assert state.as_document(0)["retained"] is True
    cameras = (CameraInfo("door", 640, 360, 25.0), CameraInfo("yard", 640, 360, 25.0))
    birth = Birth("edge-1", BOOT, 0, 0, "mirage 1", "tiny", "9f86d081884c7d65", cameras)
    assert read(message(DEVICE.birth, documents.encode(birth))).text == "mirage 1, cameras: door, yard"
    assert read(message(DEVICE.state, b"")).text == "taken back"


def test_what_is_sealed_is_told_by_its_size_only() -> None:
    sealed = SealedEnvelope(bytes(32), 7).wrap(b"secret words", DEVICE.sem("door"))
    heard = read(message(DEVICE.sem("door"), sealed))
    assert heard.text == f"{len(sealed)} bytes, sealed for the cloud or the device"
    assert heard.content is None
    plain = PlainEnvelope().wrap(b"words", DEVICE.telemetry)
    assert read(message(DEVICE.telemetry, plain)).text == f"{len(plain)} bytes, not sealed"
    assert read(message(DEVICE.cmd("ping"), b"{}")).what == "cmd/ping"


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("mirage/v2/acme/north/edge-1/state", b"{}"),
        (DEVICE.state, b"{"),
        (DEVICE.birth, b"[]"),
        (DEVICE.event("door"), b""),
        (DEVICE.event("door"), b"\xff"),
    ],
)
def test_rubbish_is_named_by_its_topic(topic: str, payload: bytes) -> None:
    with pytest.raises(HeardError, match=topic):
        read(message(topic, payload))


def test_an_event_is_new_once_and_the_latest_are_remembered() -> None:
    seen = Seen(2)
    first, second, third = (described(segment(number)) for number in (1, 2, 3))
    assert [seen.is_new(event) for event in (first, first, second, first, third, first, second)] == [
        True, False, True, False, True, False, True,
    ]  # fmt: skip
    seen.forget(second)
    assert seen.is_new(second)
