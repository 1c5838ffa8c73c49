"""Events for third parties: what they look like, what is refused."""

import json
from typing import get_args

import msgspec
import pytest

from wire import events
from wire.events import (
    AlertFacts,
    AlertRaised,
    ClipFacts,
    ClipRendered,
    Described,
    EventError,
    Raised,
    Rendered,
    SegmentDescribed,
    SegmentFacts,
    UnknownTypeError,
)
from wire.topics import TopicError

SEGMENT = SegmentFacts(
    id=4711, camera="acme/north/edge-1/gate", boot_id="0123456789abcdef", sequence=1203,
    start_ms=1_790_000_000_000, duration_ms=2000, still=False, historical=False,
    caption="a red car drives to the left",
    url="/api/v1/segments/4711", thumbnail="/api/v1/segments/4711/thumb.jpg",
)  # fmt: skip
DESCRIBED = SegmentDescribed(
    id="0123456789abcdef-1203-described", source="/mirage/v1/acme/north/edge-1/gate",
    subject="segments/4711", time="2026-09-21T14:13:22.500Z", data=Described(SEGMENT),
)  # fmt: skip
DESCRIBED_JSON = (
    b'{"type":"mirage.segment.described","specversion":"1.0","id":"0123456789abcdef-1203-described",'
    b'"source":"/mirage/v1/acme/north/edge-1/gate","subject":"segments/4711",'
    b'"time":"2026-09-21T14:13:22.500Z","datacontenttype":"application/json","data":{"segment":'
    b'{"id":4711,"camera":"acme/north/edge-1/gate","boot_id":"0123456789abcdef","sequence":1203,'
    b'"start_ms":1790000000000,"duration_ms":2000,"still":false,"historical":false,'
    b'"caption":"a red car drives to the left","url":"/api/v1/segments/4711",'
    b'"thumbnail":"/api/v1/segments/4711/thumb.jpg"},"revised":false}}'
)
_TIME = "2026-09-21T14:13:22Z"
RENDERED = ClipRendered(
    id="1", source="/here", time=_TIME,
    data=Rendered(
        SEGMENT,
        ClipFacts(
            fingerprint="a" * 64, url="https://x.example/api/v1/clips/4711.mp4", poster="/p", provenance="/j",
            width=256, height=144, frames=50, size=9000,
        ),
    ),
)  # fmt: skip
RAISED = AlertRaised(
    id="1", source="/here", time=_TIME,
    data=Raised(SEGMENT, AlertFacts(3, "Cars", '"red car"', "/?segment=4711")),
)  # fmt: skip


def test_an_event_has_the_documented_text() -> None:
    assert events.encode(DESCRIBED) == DESCRIBED_JSON


@pytest.mark.parametrize("event", [DESCRIBED, RENDERED, RAISED])
def test_events_are_read_back(event: events.Event) -> None:
    assert events.decode(events.encode(event)) == event


def test_a_clip_says_that_it_is_reconstructed() -> None:
    told = json.loads(events.encode(RENDERED))
    assert told["data"]["clip"]["ai_reconstructed"] is True


def test_every_prefix_is_refused() -> None:
    for length in range(len(DESCRIBED_JSON)):
        with pytest.raises(EventError):
            events.decode(DESCRIBED_JSON[:length])


def test_a_later_version_may_say_more() -> None:
    told = json.loads(DESCRIBED_JSON)
    told["traceparent"] = "00-1"
    told["data"]["segment"]["colours"] = ["red"]
    assert events.decode(json.dumps(told).encode()) == DESCRIBED


def test_a_type_of_a_later_version_is_told_from_rubbish() -> None:
    with pytest.raises(UnknownTypeError, match=r"mirage\.budget\.spent"):
        events.decode(DESCRIBED_JSON.replace(b"mirage.segment.described", b"mirage.budget.spent"))


def test_all_types_are_known() -> None:
    assert {kind.__struct_config__.tag for kind in get_args(events.Event)} == events.TYPES


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        pytest.param(b'"1.0"', b'"0.3"', "specversion", id="another version of CloudEvents"),
        pytest.param(b'"specversion":"1.0",', b"", "specversion", id="no CloudEvent"),
        pytest.param(b'edge-1/gate","boot', b'edge-1","boot', "camera", id="camera is none"),
        pytest.param(b"T14:13", b" 14:13", "time", id="time is not of RFC 3339"),
        pytest.param(b"-1203-described", b"x" * 128, "id", id="id too long"),
        pytest.param(b"a red car", b"a" * 1024, "caption", id="caption too long"),
        pytest.param(b"a red car", b"a" * 20_000, "16384", id="too many bytes"),
        pytest.param(b"a red car", b"\xff", "event", id="no UTF-8"),
    ],
)
def test_what_is_no_event_is_refused(old: bytes, new: bytes, reason: str) -> None:
    assert old in DESCRIBED_JSON
    with pytest.raises(EventError, match=reason):
        events.decode(DESCRIBED_JSON.replace(old, new, 1))


def test_what_its_reader_refuses_is_not_written() -> None:
    with pytest.raises(EventError, match="caption"):
        events.encode(msgspec.structs.replace(RAISED, data=Raised(
            msgspec.structs.replace(SEGMENT, caption="a" * 1025), RAISED.data.alert
        )))  # fmt: skip


def test_the_longest_event_fits() -> None:
    widest = msgspec.structs.replace(
        SEGMENT, caption="\U0001f697" * 1024, url="u" * 1024, thumbnail="t" * 1024
    )
    alert = AlertFacts(2**53 - 1, "\U0001f697" * 128, "\U0001f697" * 200, "p" * 1024)
    events.encode(msgspec.structs.replace(RAISED, data=Raised(widest, alert)))


def test_a_camera_has_its_topic() -> None:
    assert events.topic_of("acme/north/edge-1/gate") == "mirage/v1/acme/north/edge-1/gate/event"
    with pytest.raises(TopicError, match="acme/north/edge-1"):
        events.topic_of("acme/north/edge-1")


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_790_000_000_007, "2026-09-21T14:13:20.007Z"),
        (2**53, "9999-12-31T23:59:59.992Z"),
    ],
)
def test_times_are_of_rfc_3339(at_ms: int, text: str) -> None:
    assert events.time_text(at_ms) == text
