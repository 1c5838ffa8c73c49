"""Signs that two devices have one identity: a card that was copied, a claim that somebody else brought.

One row for each device and kind; it stays, and counts, until an operator settles it.
"""

from dataclasses import dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from cloud.registry import insert_missing
from cloud.schema import IdentityAlarmRow
from wire.topics import DeviceTopics

CLAIM_OF_TWO = "claim-of-two-keys"
TWO_AT_ONCE = "two-at-once"


@dataclass(frozen=True, slots=True)
class AlarmView:
    """What was noticed, how often, from when until when. `device` is TENANT/SITE/DEVICE."""

    device: str
    kind: str
    detail: str
    first_ms: int
    last_ms: int
    times: int


def sound(session: Session, device: DeviceTopics, kind: str, detail: str, now_ms: int) -> None:
    """Raise an alarm, or count it once more."""
    row: dict[str, str | int | bytes] = {
        "tenant": device.tenant, "site": device.site, "device": device.device, "kind": kind,
        "detail": detail, "first_ms": now_ms, "last_ms": now_ms, "times": 0,
    }  # fmt: skip
    insert_missing(session, IdentityAlarmRow, [row])
    which = update(IdentityAlarmRow).where(
        IdentityAlarmRow.device == device.device, IdentityAlarmRow.kind == kind
    )
    counted = which.values(detail=detail, last_ms=now_ms, times=IdentityAlarmRow.times + 1)
    session.execute(counted.execution_options(synchronize_session=False))


def alarms_of(session: Session) -> list[AlarmView]:
    """List alarms that nobody has settled, the latest first."""
    rows = session.scalars(select(IdentityAlarmRow).order_by(IdentityAlarmRow.last_ms.desc()))
    return [
        AlarmView(
            f"{row.tenant}/{row.site}/{row.device}",
            row.kind,
            row.detail,
            row.first_ms,
            row.last_ms,
            row.times,
        )
        for row in rows
    ]


def kinds_by_device(session: Session) -> dict[str, tuple[str, ...]]:
    """Give the kinds of alarms that nobody has settled, by TENANT/SITE/DEVICE."""
    found: dict[str, tuple[str, ...]] = {}
    for row in session.scalars(select(IdentityAlarmRow).order_by(IdentityAlarmRow.kind)):
        name = f"{row.tenant}/{row.site}/{row.device}"
        found[name] = (*found.get(name, ()), row.kind)
    return found


def settle(session: Session, device: str) -> int:
    """Forget the alarms of a device, named by its id; tells how many there were."""
    gone = session.scalars(
        delete(IdentityAlarmRow).where(IdentityAlarmRow.device == device).returning(IdentityAlarmRow.id)
    )
    return len(gone.all())
