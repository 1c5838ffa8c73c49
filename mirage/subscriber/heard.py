"""What a message says, for people and as JSON.

event, state, birth          in the clear
sem, telemetry, ack, cmd     sealed: whoever may read them at the broker learns their size, and no more
"""

from dataclasses import dataclass

import msgspec

from mirage.output import printable
from mirage.subscriber.connection import Message
from wire import documents, events, topics
from wire.documents import Birth, DocumentError, State
from wire.envelope import UNSEALED, EnvelopeError, read_header
from wire.events import (
    AlertRaised,
    ClipRendered,
    Event,
    EventError,
    Notice,
    SegmentEvent,
    UnknownTypeError,
    UsageUnusual,
    time_text,
)
from wire.notices import ALL
from wire.topics import Topic, TopicError


class HeardError(ValueError):
    """The message is none of the contract's; it names its topic and says why."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that was understood.

    `content` is its JSON as it came, with fields of later versions; None where it is sealed or empty. `event`
    is None for all else, and for events of a type that this version does not know. `what` and `text` are for
    people.
    """

    name: str
    topic: Topic
    retained: bool
    size: int
    what: str
    text: str
    content: object = None
    event: Event | None = None

    @property
    def place(self) -> str:
        """The device, or the camera; of a notice the device, the site or the tenant."""
        parts = (self.topic.tenant, self.topic.site, self.topic.device, self.topic.camera)
        missing = (ALL,) if isinstance(self.event, Notice) else ()
        return "/".join(part for part in parts if part is not None and part not in missing)

    def as_document(self, received_ms: int) -> dict[str, object]:
        """Give what is printed as JSON."""
        return {
            "received_ms": received_ms,
            "topic": self.name,
            "kind": self.topic.leaf,
            "retained": self.retained,
            "bytes": self.size,
            "content": self.content,
        }


def read(message: Message) -> Heard:
    """Read a message, or raise HeardError."""
    try:
        topic = topics.parse(message.topic)
        if topic.leaf == "event":
            return _event(message, topic)
        if not message.payload:
            return _heard(message, topic, topic.leaf, "taken back")
        if topic.leaf == "state":
            return _state(message, topic, documents.decode_state(message.payload))
        if topic.leaf == "birth":
            return _birth(message, topic, documents.decode_birth(message.payload))
    except (TopicError, DocumentError, EventError) as error:
        raise HeardError(f"{message.topic}: {error}") from error
    what = topic.leaf if topic.verb is None else f"{topic.leaf}/{topic.verb}"
    return _heard(message, topic, what, f"{len(message.payload)} bytes, {_sealed(message.payload)}")


def _event(message: Message, topic: Topic) -> Heard:
    try:
        event = events.decode(message.payload)
    except UnknownTypeError:
        content = msgspec.json.decode(message.payload)
        return _heard(
            message, topic, str(content["type"]), "of a type that this version does not know", content
        )
    what, text = _noticed(event) if isinstance(event, Notice) else _told(event)
    content = msgspec.json.decode(message.payload)
    return Heard(
        message.topic, topic, message.retained, len(message.payload), what, printable(text), content, event
    )


def _noticed(event: Notice) -> tuple[str, str]:
    if isinstance(event, UsageUnusual):
        hour, data = time_text(event.data.hour_ms)[:16], event.data
        return "unusual", f"{_size(data.bytes)} in the hour from {hour}Z, usual are {_size(data.expected)}"
    budget = event.data
    until = f"up to {time_text(budget.to_ms)[:10]}"
    return "budget", f"{budget.percent} % reached: {_size(budget.used)} of {_size(budget.budget)} {until}"


def _size(count: int) -> str:
    """Write bytes with three digits or so: 27.3 MB."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def _told(event: SegmentEvent) -> tuple[str, str]:
    segment = event.data.segment
    caption = "(no caption)" if segment.caption is None else segment.caption
    late = " (late)" if segment.historical else ""
    if isinstance(event, AlertRaised):
        return "alert", f"{event.data.alert.name}: {caption}{late}"
    if isinstance(event, ClipRendered):
        clip = event.data.clip
        return "video", f"{clip.width}x{clip.height}, {clip.size / 1000:.0f} kB, reconstructed: {clip.url}"
    return "seen", f"{'revised: ' if event.data.revised else ''}{caption}{late}"


def _state(message: Message, topic: Topic, state: State) -> Heard:
    return _heard(message, topic, "state", state.state, msgspec.to_builtins(state))


def _birth(message: Message, topic: Topic, birth: Birth) -> Heard:
    cameras = ", ".join(camera.name for camera in birth.cameras) or "none"
    content = msgspec.json.decode(message.payload)
    return _heard(message, topic, "birth", f"{birth.software}, cameras: {cameras}", content)


def _heard(message: Message, topic: Topic, what: str, text: str, content: object = None) -> Heard:
    size = len(message.payload)
    return Heard(message.topic, topic, message.retained, size, printable(what), printable(text), content)


def _sealed(payload: bytes) -> str:
    try:
        key_id = read_header(payload).key_id
    except EnvelopeError:
        key_id = UNSEALED
    return "not sealed" if key_id == UNSEALED else "sealed for the cloud or the device"
