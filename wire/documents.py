"""The JSON documents: birth, state, ack, command, reply. Defaults are left out: the link is metered."""

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from wire import topics

MAX_DOCUMENT = 65536  # bytes

Id = Annotated[str, Meta(pattern=r"\A[a-z0-9-]{1,32}\Z")]
Hex16 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{16}\Z")]
Label = Annotated[str, Meta(min_length=1, max_length=128)]
Opaque = Annotated[str, Meta(max_length=8192)]
Milliseconds = Annotated[int, Meta(ge=0, lt=2**53)]
Sequence = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Side = Annotated[int, Meta(ge=1, le=32768)]
PriceText = Annotated[str, Meta(pattern=r"\A([0-9]{1,6}(\.[0-9]{1,6})? [A-Z]{3})?\Z")]
Fps = Annotated[float, Meta(gt=0, le=1000)]


class DocumentError(ValueError):
    """The bytes, or the fields, do not make the document."""


class CameraInfo(Struct, frozen=True, forbid_unknown_fields=True):
    """One camera as its receiver needs it: size in pixels as displayed, pictures a second."""

    name: Id
    width: Side
    height: Side
    fps: Fps


class LinkInfo(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A way up that a device may take; `price` of a megabyte as in "0.40 EUR"."""

    name: Id
    price: PriceText = ""


class Birth(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all packets of a boot have in common, sent once and retained.

    `boot_wall_ms` is the wall clock (Unix epoch) at captured_ms 0, right within `wall_error_ms`. Telemetry
    calls `cameras` and `links` by their places.
    """

    device: Id
    boot_id: Hex16
    boot_wall_ms: Milliseconds
    wall_error_ms: Milliseconds
    software: Label
    bundle: Label
    bundle_sha256: Hex16
    cameras: Annotated[tuple[CameraInfo, ...], Meta(max_length=64)]
    links: Annotated[tuple[LinkInfo, ...], Meta(max_length=16)] = ()
    schema: Annotated[int, Meta(ge=1, le=1)] = 1
    key_id: Annotated[int, Meta(ge=0, le=255)] = 0
    wrapped_key: Opaque | None = None
    signature: Opaque | None = None

    def __post_init__(self) -> None:
        names = [camera.name for camera in self.cameras]
        if len(set(names)) != len(names):
            raise DocumentError(f"cameras {names} have a name twice")
        try:
            for name in names:
                topics.check_camera(name)
        except topics.TopicError as error:
            raise DocumentError(str(error)) from error

    def camera(self, name: str) -> CameraInfo:
        """Give the camera called `name`, or raise DocumentError."""
        for camera in self.cameras:
            if camera.name == name:
                return camera
        raise DocumentError(f"birth of {self.device} has no camera {name!r}")


class State(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a device is there; a state of another boot than the birth's is stale."""

    state: Literal["ready", "sleeping", "lost"]
    boot_id: Hex16


class AckWatermark(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All sequences up to `highest` are durably stored, but for `holes`: ranges (first, last)."""

    highest: Sequence
    holes: tuple[tuple[Sequence, Sequence], ...] = ()

    def __post_init__(self) -> None:
        before = -1
        for first, last in self.holes:
            if not before < first <= last < self.highest:
                raise DocumentError(f"hole {first} to {last} is out of order or above {self.highest}")
            before = last

    def covers(self, sequence: int) -> bool:
        """Tell whether `sequence` is durably stored."""
        return sequence <= self.highest and not any(first <= sequence <= last for first, last in self.holes)


class Ack(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the cloud holds of a device, by boot id (hex); `cloud_ms` is its wall clock (Unix epoch)."""

    boots: Annotated[dict[Hex16, AckWatermark], Meta(max_length=256)]
    cloud_ms: Milliseconds = 0


Value = bool | int | float | Annotated[str, Meta(max_length=1024)] | None
Values = Annotated[dict[Label, Value], Meta(max_length=64)]  # flat: no value holds another


class Command(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the cloud asks of a device, refused after `deadline_ms` on the cloud's clock.

    The verb is in the topic; `id` comes back in the reply.
    """

    id: Label
    deadline_ms: Milliseconds
    arguments: Values = {}


class Reply(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What became of a command: done as `result` says, or refused for the reason in `detail`."""

    id: Label
    ok: bool
    detail: Annotated[str, Meta(max_length=1024)] = ""
    result: Values = {}


Document = Birth | State | Ack | Command | Reply
_Document = TypeVar("_Document", Birth, State, Ack, Command, Reply)

_BIRTH = msgspec.json.Decoder(Birth)
_STATE = msgspec.json.Decoder(State)
_ACK = msgspec.json.Decoder(Ack)
_COMMAND = msgspec.json.Decoder(Command)
_REPLY = msgspec.json.Decoder(Reply)


def encode(document: Document) -> bytes:
    """Write a document; raises DocumentError if its own reader would refuse it."""
    data = msgspec.json.encode(document)
    if isinstance(document, Birth):
        decode_birth(data)
    elif isinstance(document, State):
        decode_state(data)
    elif isinstance(document, Ack):
        decode_ack(data)
    elif isinstance(document, Command):
        decode_command(data)
    else:
        decode_reply(data)
    return data


def decode_birth(data: bytes) -> Birth:
    """Read a birth, or raise DocumentError."""
    return _decode(_BIRTH, data, "birth")


def decode_state(data: bytes) -> State:
    """Read a state, or raise DocumentError."""
    return _decode(_STATE, data, "state")


def decode_ack(data: bytes) -> Ack:
    """Read an ack, or raise DocumentError."""
    return _decode(_ACK, data, "ack")


def decode_command(data: bytes) -> Command:
    """Read a command, or raise DocumentError."""
    return _decode(_COMMAND, data, "command")


def decode_reply(data: bytes) -> Reply:
    """Read a reply, or raise DocumentError."""
    return _decode(_REPLY, data, "reply")


def _decode(decoder: "msgspec.json.Decoder[_Document]", data: bytes, what: str) -> _Document:
    if len(data) > MAX_DOCUMENT:
        raise DocumentError(f"{what} has {len(data)} bytes, limit is {MAX_DOCUMENT}")
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DocumentError(f"{what}: {error}") from error
