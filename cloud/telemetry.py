"""What comes by the telemetry topic: the latest record of each device is kept, replies meet their commands.

A record under a key counts only if its counter is above all that came before it, and nothing has come under
a newer key: none is replayed, and none that was held back is taken for the latest.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cloud import commands, in_force
from cloud.message import Outcome
from cloud.opening import Opening
from cloud.registry import insert_missing
from cloud.schema import BootRow, DeviceRow, KeyRow, TelemetryRow
from cloud.store import Store
from cloud.usage import records
from wire import documents, telemetry
from wire.documents import Reply
from wire.telemetry import RECORD, REPLY, Telemetry, TelemetryError, alarm_label, provider_label

_NUMBERS = ("uptime_s", "spool_packets", "spool_bytes", "spool_age_s", "dropped", "shed_details")
# What need not be said each time: the last that was said stays.
_MORE = ("temperature_c", "power_dw", "provider", "policy", "bits_per_s", "bytes_per_month", "month_bytes")
_ENCODING = ("encode_ms", "encode_most_ms")
_MAX_COUNTER = 2**63 - 1  # what a database column holds


Said = tuple[Telemetry, ...] | Reply


def read(body: bytes) -> Said:
    """Read records, oldest first, or a reply. Raises TelemetryError, DocumentError."""
    kind = body[0] if body else None
    if kind == RECORD:
        return telemetry.parse(body)
    if kind == REPLY:
        return documents.decode_reply(body[1:])
    raise TelemetryError(f"kind {kind} of telemetry is not known")


def note(session: Session, opening: Opening, said: Said, now_ms: int) -> Outcome:
    """Write down what a device said; DUPLICATE if it was said before."""
    if opening.key is not None and not _rises(session, opening.key, opening.counter):
        return Outcome.DUPLICATE
    if isinstance(said, Reply):
        known = commands.answer(session, opening.device_id, said)
        return Outcome.REPLY if known else Outcome.IGNORED
    boot_id = opening.boot_id or _current_boot(session, opening.device_id)
    new = 0 if boot_id is None else records.note(session, opening.device_id, boot_id, said, now_ms)
    if opening.key is not None and _is_outdated(session, opening.key, opening.device_id):
        return Outcome.TELEMETRY if new else Outcome.DUPLICATE
    links = () if boot_id is None else records.links_of(session, boot_id)
    _keep_latest(session, opening.device_id, said, links, now_ms)
    return Outcome.TELEMETRY


def _keep_latest(
    session: Session, device_id: int, said: Sequence[Telemetry], links: Sequence[str], now_ms: int
) -> None:
    """Show what was said last; remarks and statements say nothing of the spool."""
    more = session.scalar(select(TelemetryRow.more).where(TelemetryRow.device_id == device_id))
    told: dict[str, int | str | None] = json.loads(more or "{}")
    values: dict[str, str | int | bytes] = {"at_ms": now_ms}
    for record in said:
        if links and not record.is_statement and (record.span_s or record.policy is not None):
            told["link"] = links[record.link] if record.link is not None and record.link < len(links) else ""
        told |= {name: value for name in _MORE if (value := getattr(record, name)) is not None}
        if record.policy is not None:  # and without a limit, there is none
            told |= {name: getattr(record, name) for name in ("bits_per_s", "bytes_per_month")}
            told |= {"policy_ms": now_ms, "policy_link": told.get("link", "")}
        if record.span_s and not record.is_statement:
            values |= {name: getattr(record, name) for name in _NUMBERS}
            values["alarms"] = json.dumps(sorted(record.alarms))
            if record.encode_most_ms:
                told |= {name: getattr(record, name) for name in _ENCODING}
    values["more"] = json.dumps(told, sort_keys=True)
    blank: dict[str, str | int | bytes] = {"device_id": device_id, "alarms": "[]"}
    blank |= dict.fromkeys(_NUMBERS, 0)
    insert_missing(session, TelemetryRow, [blank | values])
    session.execute(update(TelemetryRow).where(TelemetryRow.device_id == device_id).values(**values))


def _current_boot(session: Session, device_id: int) -> int | None:
    """Give the boot of a device whose broker is trusted: that of its last birth."""
    query = select(BootRow.id).join(DeviceRow, DeviceRow.id == BootRow.device_id)
    return session.scalar(query.where(DeviceRow.id == device_id, BootRow.boot_hex == DeviceRow.boot_hex))


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
    """The latest record; `at_ms` is when it came. What was not said yet, or is not limited, is None.

    `encode_ms` is how long a segment took to describe on average, `encode_most_ms` at most. `policy_holds`
    says whether the device still does what it answered to the last set-policy; None where nobody asked.
    `link` is the one that is active, "" one without a name; None of a device that has none to choose from.
    """

    at_ms: int
    uptime_s: int
    spool_packets: int
    spool_bytes: int
    spool_age_s: int
    dropped: int
    shed_details: int
    alarms: tuple[str, ...]
    encode_ms: int | None = None
    encode_most_ms: int | None = None
    temperature_c: int | None = None
    power_w: float | None = None
    provider: str | None = None
    bits_per_s: int | None = None
    bytes_per_month: int | None = None
    month_bytes: int | None = None
    policy_holds: bool | None = None
    link: str | None = None


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
        holds = in_force.policies(session)
        return [
            _device(row, state, telemetry, holds=holds.get(row.id))
            for row, state, telemetry in session.execute(query)
        ]


def alarm_labels(alarms: str | None) -> tuple[str, ...]:
    """Name alarms as they are stored; None is none."""
    return tuple(alarm_label(alarm) for alarm in json.loads(alarms or "[]"))


def _device(
    row: DeviceRow, state: str | None, telemetry: TelemetryRow | None, *, holds: bool | None
) -> DeviceView:
    name = f"{row.tenant}/{row.site}/{row.name}"
    view = None if telemetry is None else _view(telemetry, holds=holds)
    return DeviceView(name, state or "unknown", row.seen_ms, view)


def _view(row: TelemetryRow, *, holds: bool | None) -> TelemetryView:
    return TelemetryView(
        row.at_ms, row.uptime_s, row.spool_packets, row.spool_bytes, row.spool_age_s, row.dropped,
        row.shed_details, alarm_labels(row.alarms), policy_holds=holds, **_more(json.loads(row.more)),
    )  # fmt: skip


def _more(told: dict[str, Any]) -> dict[str, Any]:
    """Give what the view has of the rest, by name."""
    power_dw, provider = told.pop("power_dw", None), told.pop("provider", None)
    for name in ("policy", "policy_ms", "policy_link"):
        told.pop(name, None)
    return told | {
        "power_w": None if power_dw is None else power_dw / 10,
        "provider": None if provider is None else provider_label(provider),
    }
