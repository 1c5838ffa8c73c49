"""What a device says of itself once a minute, in about 40 bytes, and what else goes by its telemetry topic.

    kind     1 byte   1 records, 2 a reply to a command, which is the rest as JSON (wire.documents.Reply)
    records           oldest first, with a zero byte between two

    a record          three kinds of rows of numbers, each as wire/sparse.py writes it
      figures         of the device: see _FIGURES
      own             its own bytes: wire.spent.OWN_SLOTS
      camera          its place in the birth + 1 (varint), then CAMERA_SLOTS, then SAMPLE_NUMBERS for
                      each codec; any number of cameras, which ascend

Records come in three sorts. A *minute* counts the bytes of `span_s` up to `uptime_s`. A *statement* gives
totals since the ledger began, over all boots: what it leaves out is not said, and what minutes do not add up
to was lost. A *remark*, with a span of 0, says what seldom changes. What is None is not said.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum

import msgspec

from wire import sparse, varint
from wire.documents import Value
from wire.sparse import MAX_VALUE, SparseError
from wire.spent import CAMERA_SLOTS, OWN_SLOTS, SAMPLE_NUMBERS, Codec, Sample, Spent, SpentError, sample_of
from wire.varint import VarintError

MAX_RECORD = 4096  # bytes of a message
RECORD, REPLY = 1, 2  # kinds
PERIOD_S = 60  # the span of most minutes, which is left out

_COLDEST = -40  # degrees Celsius
# Places are on the wire: append only. What each minute has comes first.
_FIGURES = (
    "uptime_s", "spool_packets", "spool_bytes", "spool_age_s", "encode_ms", "encode_most_ms", "temperature_c",
    "power_dw", "span_s", "is_statement", "dropped", "shed_details", "alarms", "provider", "policy",
    "bits_per_s", "bytes_per_month", "month_bytes", "link",
)  # fmt: skip
_CAMERA_NUMBERS = len(CAMERA_SLOTS) + SAMPLE_NUMBERS * len(Codec)


class TelemetryError(ValueError):
    """The bytes, or the fields, do not make a record."""


class Alarm(IntEnum):
    """What a person should look at; the value is its bit."""

    DISK_FULL = 0  # the spool cannot grow: packets may be given up
    SPOOL_DAMAGED = 1  # a spool file was set aside since boot
    CLOCK_STEPPED = 2  # the wall clock jumped since boot
    OVERLOADED = 3  # segments were captured faster than they can be described
    REDACTION_FAILED = 4  # a camera cannot be redacted, so nothing of it is sent

    @property
    def label(self) -> str:
        return self.name.lower().replace("_", "-")


class Provider(IntEnum):
    """What runs the models; the least able one that any of them has."""

    CPU = 1
    CUDA = 2
    TENSORRT = 3


@dataclass(frozen=True, slots=True)
class Telemetry:
    """One record, valid by construction. Alarms that this version does not know are kept, as numbers.

    Only minutes tell of the spool, of alarms, and of `encode_ms`: what a segment took in the mean, 0 where
    there was none. `power_dw` is in tenths of a watt. `policy` is what `policy_id` makes of the policy in
    force; its limits (None: no limit) and `month_bytes`, counted since the month began, come with it. `link`
    is the place in the birth of the link that all of this went by, or holds on; None for one without a name.
    """

    uptime_s: int
    spool_packets: int = 0  # gap records too
    spool_bytes: int = 0
    spool_age_s: int = 0
    dropped: int = 0
    shed_details: int = 0
    alarms: frozenset[int] = frozenset()
    span_s: int = PERIOD_S
    is_statement: bool = False
    spent: tuple[Spent, ...] = ()  # the device's own first, then cameras by number
    samples: tuple[Sample, ...] = ()
    encode_ms: int = 0
    encode_most_ms: int = 0
    temperature_c: int | None = None
    power_dw: int | None = None
    provider: int | None = None
    policy: int | None = None
    bits_per_s: int | None = None
    bytes_per_month: int | None = None
    month_bytes: int | None = None
    link: int | None = None

    def __post_init__(self) -> None:
        for name, value in zip(_FIGURES, _figures(self), strict=True):
            if not 0 <= value <= MAX_VALUE or (
                value == 0 and name in _OPTIONAL and getattr(self, name) is not None
            ):
                raise TelemetryError(f"{name} {getattr(self, name)} does not fit in 63 bits")
        if any(not 0 <= alarm < 63 for alarm in self.alarms):
            raise TelemetryError(f"alarms {sorted(self.alarms)} are not all between 0 and 62")
        counted = [-1 if each.camera is None else each.camera for each in self.spent if any(each.bytes)]
        sampled = [(each.camera, each.codec) for each in self.samples]
        if len(counted) != len(self.spent) or counted != sorted(set(counted)):
            raise TelemetryError(
                f"cameras {counted} of {len(self.spent)} do not ascend, or have spent nothing"
            )
        if sampled != sorted(set(sampled)):
            raise TelemetryError(f"samples {sampled} do not ascend")

    def __bytes__(self) -> bytes:
        return write([self])

    @classmethod
    def parse(cls, data: bytes) -> "Telemetry":
        """Read a message of one record, or raise TelemetryError; no other exception escapes."""
        records = parse(data)
        if len(records) != 1:
            raise TelemetryError(f"message has {len(records)} records, expected one")
        return records[0]


_OPTIONAL = tuple(field.name for field in fields(Telemetry) if field.default is None)


def write(records: Sequence[Telemetry]) -> bytes:
    """Write a message of one record or more, oldest first. Raises TelemetryError where it is too large."""
    data = bytes((RECORD,)) + b"\0".join(b"".join(_rows(record)) for record in records)
    if len(data) > MAX_RECORD:
        raise TelemetryError(f"{len(records)} records have {len(data)} bytes, limit is {MAX_RECORD}")
    return data


def parse(data: bytes) -> tuple[Telemetry, ...]:
    """Read a message of records, or raise TelemetryError; no other exception escapes."""
    if data[:1] != bytes((RECORD,)):
        raise TelemetryError(f"record begins with {data[:1].hex() or 'nothing'}, expected 01")
    if len(data) > MAX_RECORD:
        raise TelemetryError(f"record has {len(data)} bytes, limit is {MAX_RECORD}")
    records, offset = list[Telemetry](), 0
    try:
        while not records or offset < len(data):
            record, offset = _record(data, offset + 1)  # behind the kind, or a zero byte
            records.append(record)
    except (SparseError, SpentError, VarintError) as error:
        raise TelemetryError(str(error)) from error
    return tuple(records)


def alarm_label(alarm: int) -> str:
    """Name an alarm as users see it; one that this version does not know is called by its number."""
    try:
        return Alarm(alarm).label
    except ValueError:
        return f"alarm-{alarm}"


def provider_label(provider: int) -> str:
    """Name what runs the models, likewise."""
    try:
        return Provider(provider).name.lower()
    except ValueError:
        return f"provider-{provider}"


def policy_id(policy: Mapping[str, Value]) -> int:
    """Make a number of 14 bits of what `set-policy` answers, to see whether it is still in force."""
    return zlib.crc32(msgspec.json.encode(policy, order="sorted")) & 0x3FFF


def _figures(record: Telemetry) -> tuple[int, ...]:
    """Give what `_FIGURES` names as it is written: zero is left out."""
    return (
        record.uptime_s, record.spool_packets, record.spool_bytes, record.spool_age_s, record.encode_ms,
        record.encode_most_ms, _from(record.temperature_c, _COLDEST), _from(record.power_dw, 0),
        0 if record.span_s == PERIOD_S else record.span_s + 1, int(record.is_statement), record.dropped,
        record.shed_details, sum(1 << alarm for alarm in record.alarms if alarm >= 0),
        _from(record.provider, 0), _from(record.policy, 0), _from(record.bits_per_s, 0),
        _from(record.bytes_per_month, 0), _from(record.month_bytes, 0),
        _from(record.link, 0),
    )  # fmt: skip


def _rows(record: Telemetry) -> Iterator[bytes]:
    yield sparse.encode(_figures(record))
    spent = {each.camera: each.bytes for each in record.spent}
    samples = {(each.camera, each.codec): each.numbers() for each in record.samples}
    yield sparse.encode(spent.pop(None, ()))
    for camera in sorted({number for number in spent if number is not None} | {key[0] for key in samples}):
        numbers = list(spent.get(camera, (0,) * len(CAMERA_SLOTS)))
        for codec in Codec:
            numbers += samples.get((camera, codec), (0,) * SAMPLE_NUMBERS)
        yield varint.encode(camera + 1) + sparse.encode(numbers)


def _record(data: bytes, offset: int) -> tuple[Telemetry, int]:
    """Read the record at `offset`; give it and the offset of the zero byte behind it, or of the end."""
    figures, offset = sparse.decode(data, offset, len(_FIGURES))
    own, offset = sparse.decode(data, offset, len(OWN_SLOTS))
    spent, samples = [Spent(None, own)] if any(own) else [], list[Sample]()
    before = 0
    while offset < len(data) and data[offset]:
        number, offset = varint.decode(data, offset)
        if number <= before:
            raise TelemetryError(f"camera {number - 1} before byte {offset} does not ascend")
        before, camera = number, number - 1
        numbers, offset = sparse.decode(data, offset, _CAMERA_NUMBERS)
        counted = Spent(camera, numbers[: len(CAMERA_SLOTS)])
        if any(counted.bytes):
            spent.append(counted)
        for codec in Codec:
            at = len(CAMERA_SLOTS) + SAMPLE_NUMBERS * codec
            sample = sample_of(camera, codec, numbers[at : at + SAMPLE_NUMBERS])
            samples += [] if sample is None else [sample]
    return _made(figures, spent, samples), offset


def _made(figures: Sequence[int], spent: Sequence[Spent], samples: Sequence[Sample]) -> Telemetry:
    said = dict(zip(_FIGURES, figures, strict=True))
    mask, span, statement = said["alarms"], said["span_s"], said["is_statement"]
    if statement > 1 or span == PERIOD_S + 1:
        raise TelemetryError(f"span_s {span} or is_statement {statement} is not as it is written")
    optional = {name: _read(said[name], _COLDEST if name == "temperature_c" else 0) for name in _OPTIONAL}
    return Telemetry(
        uptime_s=said["uptime_s"],
        spool_packets=said["spool_packets"],
        spool_bytes=said["spool_bytes"],
        spool_age_s=said["spool_age_s"],
        dropped=said["dropped"],
        shed_details=said["shed_details"],
        alarms=frozenset(bit for bit in range(mask.bit_length()) if mask >> bit & 1),
        span_s=span - 1 if span else PERIOD_S,
        is_statement=statement == 1,
        spent=tuple(spent),
        samples=tuple(samples),
        encode_ms=said["encode_ms"],
        encode_most_ms=said["encode_most_ms"],
        temperature_c=optional["temperature_c"],
        power_dw=optional["power_dw"],
        provider=optional["provider"],
        policy=optional["policy"],
        bits_per_s=optional["bits_per_s"],
        bytes_per_month=optional["bytes_per_month"],
        month_bytes=optional["month_bytes"],
        link=optional["link"],
    )


def _from(value: int | None, least: int) -> int:
    """Write what may not be said, so that zero is that."""
    return 0 if value is None else value - least + 1


def _read(written: int, least: int) -> int | None:
    return written + least - 1 if written else None
