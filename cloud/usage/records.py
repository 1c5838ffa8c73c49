"""What devices say they sent is written down as it comes; whoever adds it up believes it or not.

    record --check--> usage_records --'cloud.usage.rollup'--> usage
              '-- refused, and counted by reason in `tallies` as usage-refused-REASON

Refused is what no honest device says. Nothing is lost by that: what was sent in such a minute is in the next
statement of the device. Cameras are named by the birth of the boot; one that the device does not have (its
enrolment says which, on a sealed broker) is counted as OTHER, so a device cannot make up names.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import Enum

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from cloud import tallies
from cloud.registry import insert_missing, table_of
from cloud.schema import BootRow, CameraRow, UsageRecordRow, UsageSampleRow
from cloud.usage import parts
from cloud.usage.periods import DAY_MS, MINUTE_MS
from wire import documents
from wire.documents import Birth
from wire.spent import Sample, Spent
from wire.telemetry import Telemetry

FUTURE_MS = 15 * MINUTE_MS  # clocks of devices are as good as their births say, mostly within seconds
OLD_MS = 35 * DAY_MS  # hours are kept for at least a day more than that
LONGEST_S = 8 * 86_400  # minutes of a long outage are merged; a spool keeps a week
MOST_BYTES = 2**40  # in one record: a week at 14 Mbit/s
MOST_STATED = 2**53
MOST_RATE = 2**27  # bytes a second of one camera
PREFIX = "usage-refused-"

_RECORDS = table_of(UsageRecordRow)
_SAMPLE = ("windows", "sampled_ms", "bytes", "deviation", "crf", "preset")


class Refusal(Enum):
    """Why a record is refused."""

    FUTURE = "future"
    OLD = "old"
    SPAN = "span"
    SIZE = "size"
    OVERLAP = "overlap"  # it begins before another ended
    UNBELIEVED = "unbelieved"  # the cloud never received enough for so much
    SAMPLE = "sample"
    BIRTH = "birth"  # of its boot there is none


def note(session: Session, device_id: int, boot_id: int, said: Sequence[Telemetry], now_ms: int) -> int:
    """Write down the records of a message; tell how many are new."""
    counting = [record for record in said if record.is_statement or record.span_s]
    sampling = [sample for record in said for sample in record.samples]
    if not counting and not sampling:
        return 0
    birth = _birth(session, boot_id)
    if birth is None:
        refuse(session, Refusal.BIRTH, len(counting))
        return 0
    cameras = _cameras(session, device_id)
    names = [camera.name for camera in birth.cameras]
    _note_samples(session, sampling, names, cameras, now_ms)
    rows = [_row(birth, record, names, frozenset(cameras), now_ms) for record in _merged(counting)]
    ids = {"device_id": device_id, "boot_id": boot_id}
    new = 0
    for row in rows:
        if isinstance(row, Refusal):
            refuse(session, row)
        else:
            new += _insert(session, ids | row)
    return new


def links_of(session: Session, boot_id: int) -> tuple[str, ...]:
    """Name the links of a boot, as its birth does."""
    birth = _birth(session, boot_id)
    return () if birth is None else tuple(link.name for link in birth.links)


def is_plausible(sample: Sample) -> bool:
    """Tell whether a camera can have been sampled so: no video takes more than MOST_RATE."""
    rate = sample.bytes * 1000 // sample.sampled_ms
    return rate <= MOST_RATE and sample.deviation <= MOST_RATE and sample.sampled_ms <= LONGEST_S * 1000


def refuse(session: Session, reason: Refusal, count: int = 1) -> None:
    """Count what is refused."""
    if count:
        tallies.add(session, PREFIX + reason.value, count)


Row = dict[str, str | int | bytes]


def _row(
    birth: Birth, record: Telemetry, names: Sequence[str], known: frozenset[str], now_ms: int
) -> Row | Refusal:
    """Make the row of a record, or say why not."""
    counted = parts.of_record(record.spent, names, known)
    size = parts.total(counted)
    end_ms = birth.boot_wall_ms + record.uptime_s * 1000
    if record.is_statement:
        if size > MOST_STATED or record.uptime_s > MOST_STATED // 1000:
            return Refusal.SIZE
        end_ms = now_ms  # a statement is of when it is made
    elif size > MOST_BYTES:
        return Refusal.SIZE
    elif end_ms > now_ms + FUTURE_MS:
        return Refusal.FUTURE
    elif record.span_s > min(LONGEST_S, record.uptime_s + 1):
        return Refusal.SPAN
    elif end_ms - record.span_s * 1000 < now_ms - OLD_MS:
        return Refusal.OLD
    if record.link is not None and record.link < len(birth.links) and not record.is_statement:
        parts.add(counted, parts.of_link(birth.links[record.link], size))
    return {
        "uptime_s": record.uptime_s,
        "statement": record.is_statement,
        "end_ms": end_ms,
        "span_s": 0 if record.is_statement else record.span_s,
        "bytes": size,
        "parts": parts.encode(counted),
        "came_ms": now_ms,
    }


def _insert(session: Session, row: Row) -> bool:
    """Store a row; False if one of this time is there."""
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    made = (postgresql if on_postgresql else sqlite).insert(_RECORDS).values(row)
    return session.execute(made.on_conflict_do_nothing().returning(_RECORDS.c.boot_id)).first() is not None


def _merged(records: Iterable[Telemetry]) -> list[Telemetry]:
    """Take pieces of a statement that were made at the same time as one."""
    merged = dict[tuple[bool, int], Telemetry]()
    for record in records:
        key = (record.is_statement, record.uptime_s)
        if key in merged and record.is_statement:
            merged[key] = replace(merged[key], spent=_together(merged[key].spent, record.spent))
        else:
            merged.setdefault(key, record)
    return list(merged.values())


def _together(one: Sequence[Spent], other: Sequence[Spent]) -> tuple[Spent, ...]:
    """Take the larger of two totals of each slot."""
    sizes = {each.camera: each.bytes for each in one}
    for each in other:
        sizes[each.camera] = tuple(map(max, sizes.get(each.camera, (0,) * len(each.bytes)), each.bytes))
    return tuple(Spent(camera, sizes[camera]) for camera in sorted(sizes, key=_place))


def _place(camera: int | None) -> int:
    return -1 if camera is None else camera


def _birth(session: Session, boot_id: int) -> Birth | None:
    birth = session.scalar(select(BootRow.birth).where(BootRow.id == boot_id))
    return None if birth is None else documents.decode_birth(birth)


def _cameras(session: Session, device_id: int) -> dict[str, int]:
    """Give the cameras of a device by name."""
    query = select(CameraRow.name, CameraRow.id).where(CameraRow.device_id == device_id)
    return {row.name: row.id for row in session.execute(query)}


def _note_samples(
    session: Session, samples: Iterable[Sample], names: Sequence[str], cameras: Mapping[str, int], now_ms: int
) -> None:
    """Keep the latest sample of each camera and codec, if it can be one."""
    for sample in samples:
        camera_id = cameras.get(names[sample.camera]) if sample.camera < len(names) else None
        if camera_id is None or not is_plausible(sample):
            refuse(session, Refusal.SAMPLE)
            continue
        place: Row = {"camera_id": camera_id, "codec": int(sample.codec)}
        values: Row = {name: getattr(sample, name) for name in _SAMPLE} | {"came_ms": now_ms}
        insert_missing(session, UsageSampleRow, [place | values])
        session.execute(
            update(UsageSampleRow)
            .where(UsageSampleRow.camera_id == camera_id, UsageSampleRow.codec == int(sample.codec))
            .values(**values)
        )
