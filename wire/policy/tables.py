"""The three tables, as TOML has them. Unknown keys and contradictions are errors.

    [sender]           what leaves the device at all
    [sender.receiver]  what the sender demands of whoever receives it: travels in each packet
    [network]          what the uplink carries
    [[network.link]]   what one link of several carries, and which that is
    [receiver]         what whoever looks wants to see

What is None, or left out, is left to the others.
"""

from fnmatch import fnmatchcase
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, structs

from wire.policy import hours as hours_of_day
from wire.policy.errors import PolicyError
from wire.policy.hours import Span
from wire.policy.price import Price
from wire.policy.rendering import MAX_PROMPT
from wire.policy.zones import Zone
from wire.toml import key_hint

LayerName = Literal["caption", "motion", "appearance-vector", "appearance-tokens", "appearance-detail"]
Role = Literal["viewer", "operator", "admin"]
Redaction = Literal["keep", "redact"]
People = Literal["as-sent", "stand-in"]
Anchoring = Literal["any", "places", "none"]
PresetName = Literal["private", "balanced", "faithful"]

LAYERS: tuple[LayerName, ...] = (
    "caption", "motion", "appearance-vector", "appearance-tokens", "appearance-detail"
)  # fmt: skip
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")  # each may do more than the one before
ANCHORS: tuple[Anchoring, ...] = ("any", "places", "none")  # each demands more than the one before

Side = Annotated[int, Meta(ge=16, le=8192)]
Days = Annotated[int, Meta(ge=1, le=36_500)]
PlaneCount = Annotated[int, Meta(ge=0, le=255)]
Words = Annotated[str, Meta(min_length=1, max_length=64)]
Prompt = Annotated[str, Meta(max_length=MAX_PROMPT)]
Hours = Annotated[tuple[Span, ...], Meta(max_length=24)]
Timezone = Annotated[str, Meta(max_length=64)]
Layers = Annotated[tuple[LayerName, ...], Meta(max_length=len(LAYERS))]
Rate = Annotated[float, Meta(gt=0)]
Burst = Annotated[int, Meta(ge=1024)]
Cap = Annotated[int, Meta(ge=1)]
Latency = Annotated[int, Meta(ge=500, le=30_000)]
Qos = Annotated[int, Meta(ge=0, le=1)]
Unlimited = Literal["unlimited"]
LinkName = Annotated[str, Meta(pattern=r"\A[a-z0-9-]{1,32}\Z")]
Interface = Annotated[str, Meta(pattern=r"\A[\w.@*?!\[\]-]{1,32}\Z")]

_Kind = TypeVar("_Kind", bound=Struct)


def _check_layers(layers: tuple[str, ...]) -> None:
    if not layers:
        raise ValueError("layers is empty, so nothing could be sent: name some of " + ", ".join(LAYERS))
    if "appearance-detail" in layers and "appearance-tokens" not in layers:
        raise ValueError("layers has appearance-detail without appearance-tokens, which it refines: add them")


class Demands(Struct, frozen=True, forbid_unknown_fields=True):
    """[sender.receiver]: what binds whoever receives a packet.

    `largest_px`: longer side of a reconstruction at most. `anchors`: reference pictures that it may take:
    any, of places and things only, or none. `stand_in`: each person is to be drawn as a stand-in figure.
    `style`: whether words of the receiver may be added. `publish`: whether events and captions go to third
    parties. `keep_days`: how long packets and clips may be kept. `viewers`: the lowest role that may look.
    """

    largest_px: Side | None = None
    anchors: Anchoring = "any"
    stand_in: bool = False
    style: bool = True
    publish: bool = True
    keep_days: Days | None = None
    viewers: Role = "viewer"

    @property
    def binds(self) -> bool:
        """Tell whether anything is demanded."""
        return self != Demands()

    def with_strictest(self, other: "Demands") -> "Demands":
        """Demand what either of two does: for clips that are made of several packets."""
        return Demands(
            _smallest(self.largest_px, other.largest_px),
            max(self.anchors, other.anchors, key=ANCHORS.index),
            self.stand_in or other.stand_in,
            self.style and other.style,
            self.publish and other.publish,
            _smallest(self.keep_days, other.keep_days),
            max(self.viewers, other.viewers, key=ROLES.index),
        )


class Sender(Struct, frozen=True, forbid_unknown_fields=True):
    """[sender]: what leaves the device.

    `faces`, `text`, `people`, `plates`: redacted before anything else sees a picture. `zones` hold for every
    camera. `words`: topics (gender, age, ...) and words that no caption says. `layers` that may be sent, and
    `planes` of the appearance code at most. `picture_px`: the appearance encoder sees a keyframe no finer
    than this (short side); `noise`: grey levels of noise on it. `hours` in `timezone` (the device's), and
    `on_motion`: nothing is sent of what rests. `off`: nothing at all. `remote`: the cloud may also loosen.
    """

    preset: PresetName | None = None
    faces: Redaction = "keep"
    text: Redaction = "keep"
    people: Redaction = "keep"
    plates: Redaction = "keep"
    zones: Annotated[tuple[Zone, ...], Meta(max_length=64)] = ()
    words: Annotated[tuple[Words, ...], Meta(max_length=1000)] = ()
    layers: Layers = LAYERS
    planes: PlaneCount | None = None
    picture_px: Annotated[int, Meta(ge=4, le=4096)] | None = None
    noise: Annotated[float, Meta(ge=0, le=128)] = 0.0
    hours: Hours = ()
    timezone: Timezone = ""
    on_motion: bool = False
    off: bool = False
    remote: bool = False
    receiver: Demands = Demands()

    def __post_init__(self) -> None:
        _check_layers(self.layers)
        if self.planes == 0 and "appearance-detail" in self.layers and self.layers != LAYERS:
            raise ValueError("layers has appearance-detail, but planes is 0: leave one of them out")
        for span in self.hours:
            hours_of_day.minutes(span)


class Link(Struct, frozen=True, forbid_unknown_fields=True):
    """[[network.link]]: one way up, known by the interface (Linux) that packets leave by.

    `match` are patterns of its name, as eth* or wwan*. What a link does not state is as [network] says, but
    each has an account of its own; "unlimited" lifts a limit of [network]. `price_per_mb` as in "0.40 EUR".
    """

    name: LinkName
    match: Interface | Annotated[tuple[Interface, ...], Meta(min_length=1, max_length=16)]
    price_per_mb: str = ""
    bytes_per_s: Rate | Unlimited | UnsetType = UNSET
    burst_bytes: Burst | UnsetType = UNSET
    bytes_per_month: Cap | Unlimited | UnsetType = UNSET
    latency_ms: Latency | UnsetType = UNSET
    layers: Layers | UnsetType = UNSET
    planes: PlaneCount | UnsetType = UNSET
    send_hours: Hours | UnsetType = UNSET
    qos: Qos | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.price_per_mb:
            Price.parse(self.price_per_mb)
        if self.layers is not UNSET:
            _check_layers(self.layers)
        for span in () if self.send_hours is UNSET else self.send_hours:
            hours_of_day.minutes(span)

    def carries(self, interface: str) -> bool:
        """Tell whether an interface is of this link."""
        patterns = (self.match,) if isinstance(self.match, str) else self.match
        return any(fnmatchcase(interface, pattern) for pattern in patterns)


class Network(Struct, frozen=True, forbid_unknown_fields=True):
    """[network]: what the uplink may send: see docs/bandwidth.md. Segments say less, and wait, to keep it.

    Counted is what MQTT sends: payload, topic and header; with `count` "wire" also TLS and TCP/IP, as the
    ledger has them. `latency_ms`: no segment is longer. `layers` and `planes`: no more goes up. `send_hours`,
    in `send_timezone` (the device's): segments wait for them in the spool; connections and telemetry do not.
    `qos`: of packets. `link`: what differs by link; the first that matches holds, none: this table.
    """

    bytes_per_s: Rate | None = None
    burst_bytes: Burst = 16384
    bytes_per_month: Cap | None = None
    latency_ms: Latency | None = None
    layers: Layers = LAYERS
    planes: PlaneCount | None = None
    send_hours: Hours = ()
    send_timezone: Timezone = ""
    qos: Qos = 1
    count: Literal["mqtt", "wire"] = "mqtt"
    link: Annotated[tuple[Link, ...], Meta(max_length=16)] = ()

    def __post_init__(self) -> None:
        _check_layers(self.layers)
        for span in self.send_hours:
            hours_of_day.minutes(span)
        names = [each.name for each in self.link]
        if len(set(names)) != len(names):
            raise ValueError(f"link names {names} are not all different")

    def link_of(self, interface: str) -> str:
        """Name the first link that an interface is of, "" where it is of none."""
        return next((each.name for each in self.link if each.carries(interface)), "")

    def on(self, name: str) -> "Network":
        """Give the table that holds on a link; on "", and on one that there is not, this one."""
        link = next((each for each in self.link if each.name == name), None)
        if link is None:
            return self
        stated = {
            key: value
            for key, value in structs.asdict(link).items()
            if key in Network.__struct_fields__ and value is not UNSET
        }
        return structs.replace(
            self, **{key: None if value == "unlimited" else value for key, value in stated.items()}
        )


class Receiver(Struct, frozen=True, forbid_unknown_fields=True):
    """[receiver]: what is asked of a reconstruction, and of what is kept and shown.

    `anchors` are pictures of places and things, `people_anchors` of people: file names, or the SHA-256 of
    pictures that are stored. With `people` "stand-in" each person is drawn as `stand_in`, which is a figure,
    or a picture of one; where the sender demands that, without it, too.
    """

    long_side_px: Side = 256
    steps: Annotated[int, Meta(ge=1, le=1000)] | None = None
    fps: Annotated[float, Meta(gt=0, le=240)] | None = None
    frames: Annotated[int, Meta(ge=1, le=1000)] | None = None
    guidance: Annotated[float, Meta(ge=0, le=100)] | None = None
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    planes: PlaneCount | None = None
    style_prompt: Prompt = ""
    negative_prompt: Prompt = ""
    anchors: tuple[Words, ...] = ()
    people_anchors: tuple[Words, ...] = ()
    people: People = "as-sent"
    stand_in: Words | None = None
    publish: bool = True
    keep_days: Days | None = None
    viewers: Role = "viewer"


class Tables(Struct, frozen=True, forbid_unknown_fields=True):
    """All three."""

    sender: Sender = Sender()
    network: Network = Network()
    receiver: Receiver = Receiver()


def convert(raw: object, kind: type[_Kind], table: str, source: str) -> _Kind:
    """Make one table of what TOML gave, or raise PolicyError that names source, table and key."""
    check_keys(raw, kind, table, source)
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        message = str(error).replace("`$.", f"`{table}.").replace("`$`", f"`{table}`")
        raise PolicyError(f"{source}: [{table}] {message}") from error


def check_keys(raw: object, kind: type[Struct], table: str, source: str) -> None:
    """Raise PolicyError for a key that a table does not have; the message says which it may be."""
    if not isinstance(raw, dict):
        raise PolicyError(f"{source}: {table} is a {type(raw).__name__}: write it as a table [{table}]")
    known = kind.__struct_fields__
    for key, value in raw.items():
        if key not in known:
            raise PolicyError(f"{source}: [{table}] has no key {key!r}: {key_hint(str(key), known)}")
        if kind is Sender and key == "receiver":
            check_keys(value, Demands, f"{table}.receiver", source)
        if kind is Network and key == "link" and isinstance(value, list):
            for each in value:
                check_keys(each, Link, f"{table}.link", source)


def _smallest(left: int | None, right: int | None) -> int | None:
    return left if right is None else right if left is None else min(left, right)
