"""What the store has seen and heard of the devices of a rollout."""

import json
from collections.abc import Sequence

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.rollouts.judge import Answer, Goal, Seen
from cloud.schema import BootRow, CommandRow, DeviceRow, RolloutDeviceRow
from wire import documents

AT_ONCE = 500  # SQLite takes no more than some thousand parameters

_AWAY = Seen(is_here=False)
_PENDING = Answer("pending")
_NONE = Answer("none")


class _Said(msgspec.Struct):
    """What of a birth counts here."""

    software: str = ""
    bundle_sha256: str = ""


_birth = msgspec.json.Decoder(_Said)


def looked_at(session: Session, tenant: str, rows: Sequence[RolloutDeviceRow]) -> dict[int, Seen]:
    """Give what is known of each of these devices, by row id."""
    found: dict[int, Seen] = {}
    for first in range(0, len(rows), AT_ONCE):
        found |= _some(session, tenant, rows[first : first + AT_ONCE])
    return found


def _some(session: Session, tenant: str, rows: Sequence[RolloutDeviceRow]) -> dict[int, Seen]:
    answers = _answers(session, [row.command_id for row in rows if row.command_id is not None])
    query = (
        select(
            DeviceRow.site,
            DeviceRow.name,
            DeviceRow.seen_ms,
            BootRow.state,
            BootRow.birth,
            BootRow.changed_ms,
        )
        .join(BootRow, (BootRow.device_id == DeviceRow.id) & (BootRow.boot_hex == DeviceRow.boot_hex))
        .where(DeviceRow.tenant == tenant, DeviceRow.name.in_([row.device for row in rows]))
    )
    known = {(each.site, each.name): each for each in session.execute(query)}
    found = {}
    for row in rows:
        device = known.get((row.site, row.device))
        answer = None if row.command_id is None else answers.get(row.command_id, _NONE)
        if device is None:
            found[row.id] = _AWAY
            continue
        said = _Said() if device.birth is None else _birth.decode(device.birth)
        heard_ms = max(device.seen_ms, device.changed_ms)
        found[row.id] = Seen(device.state == "ready", said.software, said.bundle_sha256, heard_ms, answer)
    return found


def _answers(session: Session, ids: Sequence[str]) -> dict[str, Answer]:
    columns = (CommandRow.id, CommandRow.state, CommandRow.reply)
    rows = session.execute(select(*columns).where(CommandRow.id.in_(ids)))
    return {row.id: _answer(row.state, row.reply) for row in rows}


def _answer(state: str, reply: str | None) -> Answer:
    if reply is None:
        return _NONE if state == "expired" else _PENDING
    said = documents.decode_reply(reply.encode())
    if not said.ok:
        return Answer("refused", said.detail or "without a reason")
    texts = {name: str(said.result.get(name) or "") for name in ("update", "release", "bundle")}
    return Answer("told", texts["update"], texts["release"], texts["bundle"])


def goals_of(row: RolloutDeviceRow) -> list[Goal]:
    """Give what a device is to run, one after the other."""
    return [Goal(*each) for each in json.loads(row.goals)]
