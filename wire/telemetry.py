"""What a device says of itself once a minute, in about ten bytes, and what else goes by its telemetry topic.

kind    1 byte   1 a record, 2 a reply to a command, which is the rest as JSON (wire.documents.Reply)
record  pairs    id (varint), value (varint); ids ascend, zeros are left out, unknown ids are skipped

id  1 uptime in s            4 age of the oldest packet there in s     7 alarms, one bit each
    2 packets in the spool   5 packets given up since boot
    3 their bytes            6 packets that lost their detail layer since boot
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from wire import varint
from wire.varint import VarintError

MAX_RECORD = 4096  # bytes
RECORD, REPLY = 1, 2  # kinds

_UPTIME, _PACKETS, _BYTES, _AGE, _DROPPED, _DETAILS, _ALARMS = range(1, 8)
_MAX_VALUE = 2**63 - 1  # fits a signed database column


class TelemetryError(ValueError):
    """The bytes, or the fields, do not make a record."""


class Alarm(IntEnum):
    """What a person should look at; the value is its bit."""

    DISK_FULL = 0  # the spool cannot grow: packets may be given up
    SPOOL_DAMAGED = 1  # a spool file was set aside since boot
    CLOCK_STEPPED = 2  # the wall clock jumped since boot
    OVERLOADED = 3  # segments were captured faster than they can be described

    @property
    def label(self) -> str:
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class Telemetry:
    """One record, valid by construction. Alarms that this version does not know are kept, as numbers."""

    uptime_s: int
    spool_packets: int = 0  # gap records too
    spool_bytes: int = 0
    spool_age_s: int = 0
    dropped: int = 0
    shed_details: int = 0
    alarms: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        for name, value in zip(_NAMES, self._numbers(), strict=True):
            if not 0 <= value <= _MAX_VALUE:
                raise TelemetryError(f"{name} {value} does not fit in 63 bits")
        if any(not 0 <= alarm < 63 for alarm in self.alarms):
            raise TelemetryError(f"alarms {sorted(self.alarms)} are not all between 0 and 62")

    def __bytes__(self) -> bytes:
        mask = sum(1 << alarm for alarm in self.alarms)
        pairs = [(id_, value) for id_, value in enumerate((*self._numbers(), mask), 1) if value]
        return bytes((RECORD,)) + b"".join(varint.encode(id_) + varint.encode(value) for id_, value in pairs)

    @classmethod
    def parse(cls, data: bytes) -> "Telemetry":
        """Read a record, or raise TelemetryError; no other exception escapes."""
        if data[:1] != bytes((RECORD,)):
            raise TelemetryError(f"record begins with {data[:1].hex() or 'nothing'}, expected 01")
        if len(data) > MAX_RECORD:
            raise TelemetryError(f"record has {len(data)} bytes, limit is {MAX_RECORD}")
        try:
            values = dict(_pairs(data))
        except VarintError as error:
            raise TelemetryError(str(error)) from error
        mask = values.get(_ALARMS, 0)
        return cls(
            uptime_s=values.get(_UPTIME, 0),
            spool_packets=values.get(_PACKETS, 0),
            spool_bytes=values.get(_BYTES, 0),
            spool_age_s=values.get(_AGE, 0),
            dropped=values.get(_DROPPED, 0),
            shed_details=values.get(_DETAILS, 0),
            alarms=frozenset(bit for bit in range(mask.bit_length()) if mask >> bit & 1),
        )

    def _numbers(self) -> tuple[int, ...]:
        return (
            self.uptime_s, self.spool_packets, self.spool_bytes, self.spool_age_s, self.dropped,
            self.shed_details,
        )  # fmt: skip


_NAMES = ("uptime_s", "spool_packets", "spool_bytes", "spool_age_s", "dropped", "shed_details")


def alarm_label(alarm: int) -> str:
    """Name an alarm as users see it; one that this version does not know is called by its number."""
    try:
        return Alarm(alarm).label
    except ValueError:
        return f"alarm-{alarm}"


def _pairs(data: bytes) -> Iterable[tuple[int, int]]:
    offset, before = 1, 0
    while offset < len(data):
        id_, after = varint.decode(data, offset)
        if id_ <= before:
            raise TelemetryError(f"id {id_} at byte {offset} does not ascend")
        value, offset = varint.decode(data, after)
        if value == 0:
            raise TelemetryError(f"value of id {id_} is zero, which is left out")
        before = id_
        yield id_, value
