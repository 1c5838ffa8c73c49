"""What comes by the telemetry topic: the latest record of each device is kept, replies meet their commands.

A record under a key counts only if its counter is above all that came before it, and nothing has come under
a newer key: none is replayed, and none that was held back is taken for the latest.
"""

import json
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cloud import commands
from cloud.message import Outcome
from cloud.opening import Opening
from cloud.registry import insert_missing
from cloud.schema import BootRow, DeviceRow, KeyRow, TelemetryRow
from cloud.store import Store
from wire import documents
from wire.documents import Reply
from wire.telemetry import RECORD, REPLY, Telemetry, TelemetryError, alarm_label

_NUMBERS = ("uptime_s", "spool_packets", "spool_bytes", "spool_age_s", "dropped", "shed_details")
_MAX_COUNTER = 2**63 - 1  # what a database column holds


def read(body: bytes) -> Telemetry | Reply:
    """Read a record or a reply. Raises TelemetryError, DocumentError."""
    kind = body[0] if body else None
    if kind == RECORD:
        return Telemetry.parse(body)
    if kind == REPLY:
        return documents.decode_reply(body[1:])
    raise TelemetryError(f"kind {kind} of telemetry is not known")


def note(session: Session, opening: Opening, said: Telemetry | Reply, now_ms: int) -> Outcome:
    """Write down what a device said; DUPLICATE if it was said before."""
    if opening.key is not None and not _rises(session, opening.key, opening.counter):
        return Outcome.DUPLICATE
    if isinstance(said, Reply):
        known = commands.answer(session, opening.device_id, said)
        return Outcome.REPLY if known else Outcome.IGNORED
    if opening.key is not None and _is_outdated(session, opening.key, opening.device_id):
        return Outcome.DUPLICATE
    values: dict[str, str | int | bytes] = {name: getattr(said, name) for name in _NUMBERS}
    values |= {"at_ms": now_ms, "alarms": json.dumps(sorted(said.alarms))}
    insert_missing(session, TelemetryRow, [values | {"device_id": opening.device_id}])
    session.execute(update(TelemetryRow).where(TelemetryRow.device_id == opening.device_id).values(**values))
    return Outcome.TELEMETRY


def _rises(session: Session, key: int, counter: int) -> bool:
    if counter > _MAX_COUNTER:
        return False
    higher = update(KeyRow).where(KeyRow.id == key, KeyRow.telemetry_counter < counter)
    return session.scalar(higher.values(telemetry_counter=counter).returning(KeyRow.id)) is not None


def _is_outdated(session: Session, key: int, device_id: int) -> bool:
    """Tell whether the device has used a newer key by now."""
    newer = (KeyRow.device_id == device_id, KeyRow.id > key, KeyRow.telemetry_counter >= 0)
    return session.scalar(select(KeyRow.id).where(*newer).limit(1)) is not None


@dataclass(frozen=True, slots=True)
class TelemetryView:
    """The latest record; `at_ms` is when it came."""

    at_ms: int
    uptime_s: int
    spool_packets: int
    spool_bytes: int
    spool_age_s: int
    dropped: int
    shed_details: int
    alarms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A device. `id` is tenant/site/device; `telemetry` is None until the first record has come."""

    id: str
    state: str
    seen_ms: int
    telemetry: TelemetryView | None


def devices(store: Store) -> list[DeviceView]:
    """List all devices by name. Raises StoreError."""
    query = (
        select(DeviceRow, BootRow.state, TelemetryRow)
        .outerjoin(BootRow, (BootRow.device_id == DeviceRow.id) & (BootRow.boot_hex == DeviceRow.boot_hex))
        .outerjoin(TelemetryRow, TelemetryRow.device_id == DeviceRow.id)
        .order_by(DeviceRow.tenant, DeviceRow.site, DeviceRow.name)
    )
    with store.read() as session:
        return [_device(row, state, telemetry) for row, state, telemetry in session.execute(query)]


def alarm_labels(alarms: str | None) -> tuple[str, ...]:
    """Name alarms as they are stored; None is none."""
    return tuple(alarm_label(alarm) for alarm in json.loads(alarms or "[]"))


def _device(row: DeviceRow, state: str | None, telemetry: TelemetryRow | None) -> DeviceView:
    name = f"{row.tenant}/{row.site}/{row.name}"
    return DeviceView(name, state or "unknown", row.seen_ms, None if telemetry is None else _view(telemetry))


def _view(row: TelemetryRow) -> TelemetryView:
    return TelemetryView(
        row.at_ms, row.uptime_s, row.spool_packets, row.spool_bytes, row.spool_age_s, row.dropped,
        row.shed_details, alarm_labels(row.alarms),
    )  # fmt: skip
