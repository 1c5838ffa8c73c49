"""What third parties are told on `.../{camera}/event`: CloudEvents 1.0, structured mode, JSON.

    type                        when                                      data
    mirage.segment.described    a caption is known, or another one        segment, revised
    mirage.clip.rendered        the video of a segment is made            segment, clip
    mirage.alert.raised         a caption says what an alert looks for    segment, alert
    mirage.budget.reached       a budget is used up, or nearly            place, percent, …   (wire.notices)
    mirage.usage.unusual        a device sent more than is usual of it    place, bytes, …     (wire.notices)

Each event arrives at least once; `source` and `id` together name it for ever, so who has seen them may skip
it. Readers take fields and types that they do not know for those of a later version: fields are ignored,
types are an `UnknownTypeError`. Another type is another `CloudEvent` with its own tag, named in `Event`.
"""

from datetime import datetime, timezone
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from wire.documents import Hex16, Label, Milliseconds, Sequence
from wire.notices import BudgetFacts, UnusualFacts
from wire.topics import DeviceTopics, TopicError

MAX_EVENT = 16_384  # bytes
CONTENT_TYPE = "application/cloudevents+json"
SEGMENT_DESCRIBED = "mirage.segment.described"
CLIP_RENDERED = "mirage.clip.rendered"
ALERT_RAISED = "mirage.alert.raised"
BUDGET_REACHED = "mirage.budget.reached"
USAGE_UNUSUAL = "mirage.usage.unusual"

_MAX_MS = 253_402_300_799_999  # the last of year 9999

Url = Annotated[str, Meta(min_length=1, max_length=1024)]  # absolute, or a path at the cloud's server
Count = Annotated[int, Meta(ge=0, lt=2**53)]
Caption = Annotated[str, Meta(max_length=1024)]
QueryText = Annotated[str, Meta(min_length=1, max_length=200)]
CameraPath = Annotated[str, Meta(pattern=r"\A[a-z0-9-]{1,32}(/[a-z0-9-]{1,32}){3}\Z")]
Time = Annotated[str, Meta(pattern=r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)\Z")]


class EventError(ValueError):
    """The bytes, or the fields, do not make an event."""


class UnknownTypeError(EventError):
    """It is a CloudEvent, but of a type that this version does not know: skip it."""


class SegmentFacts(Struct, frozen=True):
    """A few seconds of a camera, tenant/site/device/camera, and what they show.

    `id` is its number in the API, where `url` is; boot and sequence name it for ever. Times are of the wall
    clock (Unix epoch). `historical` ones were sent or understood late: they are no news.
    """

    id: Count
    camera: CameraPath
    boot_id: Hex16
    sequence: Sequence
    start_ms: Milliseconds
    duration_ms: Milliseconds
    still: bool
    historical: bool
    caption: Caption | None
    url: Url
    thumbnail: Url


class ClipFacts(Struct, frozen=True):
    """A video that was reconstructed from words and codes: no camera took these pictures."""

    fingerprint: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    url: Url
    poster: Url
    provenance: Url
    width: Count
    height: Count
    frames: Count
    size: Count
    ai_reconstructed: Literal[True] = True


class AlertFacts(Struct, frozen=True):
    """The saved search that found a caption; `page` shows the segment to people."""

    id: Count
    name: Label
    query: QueryText
    page: Url


class Described(Struct, frozen=True):
    """What a segment shows. `revised` takes back what was said of it before."""

    segment: SegmentFacts
    revised: bool = False


class Rendered(Struct, frozen=True):
    """Which video a segment has now."""

    segment: SegmentFacts
    clip: ClipFacts


class Raised(Struct, frozen=True):
    """Which alert found which segment."""

    segment: SegmentFacts
    alert: AlertFacts


class CloudEvent(Struct, frozen=True, kw_only=True, tag_field="type"):
    """What all types have in common. `time` is when the cloud came to know, not when the camera saw it."""

    specversion: Literal["1.0"] = "1.0"
    id: Label
    source: Url
    subject: Label | UnsetType = UNSET
    time: Time
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: Url | UnsetType = UNSET


class SegmentDescribed(CloudEvent, frozen=True, kw_only=True, tag=SEGMENT_DESCRIBED):
    """A caption is known."""

    data: Described


class ClipRendered(CloudEvent, frozen=True, kw_only=True, tag=CLIP_RENDERED):
    """A video is made."""

    data: Rendered


class AlertRaised(CloudEvent, frozen=True, kw_only=True, tag=ALERT_RAISED):
    """An alert found something."""

    data: Raised


class BudgetReached(CloudEvent, frozen=True, kw_only=True, tag=BUDGET_REACHED):
    """A budget is used up, or nearly."""

    data: BudgetFacts


class UsageUnusual(CloudEvent, frozen=True, kw_only=True, tag=USAGE_UNUSUAL):
    """A device stands out."""

    data: UnusualFacts


SegmentEvent = SegmentDescribed | ClipRendered | AlertRaised
Notice = BudgetReached | UsageUnusual
Event = SegmentEvent | Notice

TYPES = frozenset({SEGMENT_DESCRIBED, CLIP_RENDERED, ALERT_RAISED, BUDGET_REACHED, USAGE_UNUSUAL})

_EVENT: "msgspec.json.Decoder[Event]" = msgspec.json.Decoder(Event)


class _Head(Struct, frozen=True):
    specversion: Literal["1.0"]
    type: str


_HEAD = msgspec.json.Decoder(_Head)


def encode(event: Event) -> bytes:
    """Write an event; raises EventError if its own reader would refuse it."""
    data = msgspec.json.encode(event)
    decode(data)
    return data


def decode(data: bytes) -> Event:
    """Read an event, or raise EventError: UnknownTypeError if it is only of a later version."""
    if len(data) > MAX_EVENT:
        raise EventError(f"event has {len(data)} bytes, limit is {MAX_EVENT}")
    try:
        head = _HEAD.decode(data)
        if head.type not in TYPES:
            known = ", ".join(sorted(TYPES))
            raise UnknownTypeError(f"event is of type {head.type[:100]!r}, known are {known}")
        return _EVENT.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EventError(f"event: {error}") from error


def topic_of(camera: str) -> str:
    """Name the topic of a camera, tenant/site/device/camera, or raise TopicError."""
    parts = camera.split("/")
    if len(parts) != 4:
        raise TopicError(f"camera {camera!r} is not tenant/site/device/camera")
    tenant, site, device, name = parts
    return DeviceTopics(tenant, site, device).event(name)


def time_text(at_ms: int) -> str:
    """Write a time of the Unix epoch as RFC 3339 has it: 2026-11-29T15:24:47.120Z."""
    at = datetime.fromtimestamp(min(max(at_ms, 0), _MAX_MS) // 1000, timezone.utc)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{max(at_ms, 0) % 1000:03d}Z"
