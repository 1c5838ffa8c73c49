"""Rollouts as people order them: begun, halted, gone on with, tried again. All in the store."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session

from cloud import duties
from cloud.registry import Columns, insert_missing
from cloud.rollouts.judge import FAILURES, IN_HAND, Goal
from cloud.schema import RolloutDeviceRow, RolloutRow

KEPT = 20  # rollouts of a fleet; older ones are forgotten


class RolloutError(ValueError):
    """The rollout cannot be ordered like that; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """A device, its wave (from 0), and what it is to run, one after the other."""

    site: str
    device: str
    platform: str
    wave: int
    goals: tuple[Goal, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be rolled out. `aim` says it in short: the same aim is the same rollout."""

    tenant: str
    fleet: str
    aim: dict[str, str]
    waves: tuple[str, ...]
    health_ms: int
    halt_after: int
    devices: tuple[Ordered, ...]

    def __post_init__(self) -> None:
        if not self.devices:
            raise RolloutError("there is no device to update")
        if any(not each.goals or not 0 <= each.wave < len(self.waves) for each in self.devices):
            raise RolloutError("each device needs something to run, and a wave")


def begin(session: Session, order: Order, now_ms: int) -> tuple[RolloutRow, bool]:
    """Begin a rollout, or find that it is under way (then False): its new devices are taken in.

    Raises RolloutError where another one is.
    """
    # No two may begin at once: whoever comes second waits here until the first is committed.
    duties.hold(session, "rollout orders", uuid.uuid4().hex, now_ms, 1)
    before, aim = find(session, order.tenant, order.fleet), _said(order)
    if before is not None and before.state in ("running", "halted"):
        if before.aim == aim:
            _take_in(session, before.id, order.devices, now_ms)
            return before, False
        _supersede(session, before, now_ms)
    row = RolloutRow(
        tenant=order.tenant, fleet=order.fleet, aim=aim, waves=json.dumps(order.waves),
        health_ms=order.health_ms, halt_after=order.halt_after, state="running", why="",
        created_ms=now_ms, changed_ms=now_ms,
    )  # fmt: skip
    session.add(row)
    session.flush()
    _take_in(session, row.id, order.devices, now_ms)
    _forget_old(session, row)
    return row, True


def find(session: Session, tenant: str, fleet: str) -> RolloutRow | None:
    """Give the latest rollout of a fleet, and let nobody else move it until this transaction ends."""
    return session.scalars(_latest(tenant, fleet).with_for_update()).one_or_none()


def latest(session: Session, tenant: str, fleet: str) -> RolloutRow | None:
    """Give the latest rollout of a fleet, to look at."""
    return session.scalars(_latest(tenant, fleet)).one_or_none()


def is_under_way(session: Session, order: Order) -> bool:
    """Tell whether `begin` would find this very rollout."""
    row = latest(session, order.tenant, order.fleet)
    return row is not None and row.state in ("running", "halted") and row.aim == _said(order)


def halt(row: RolloutRow, now_ms: int) -> None:
    """Ask no more devices; those that have begun go on. Raises RolloutError."""
    if row.state != "running":
        raise RolloutError(f"rollout {row.id} is {row.state}: there is nothing to halt")
    row.state, row.why, row.changed_ms = "halted", "by hand", now_ms


def resume(session: Session, row: RolloutRow, now_ms: int) -> None:
    """Go on after a halt: failures so far count no more. Raises RolloutError."""
    if row.state not in ("running", "halted"):
        raise RolloutError(f"rollout {row.id} is {row.state}: there is nothing to go on with")
    if row.state == "halted":
        row.state, row.why, row.changed_ms = "running", "", now_ms
        failed = update(RolloutDeviceRow).where(
            RolloutDeviceRow.rollout_id == row.id, RolloutDeviceRow.state.in_(FAILURES)
        )
        session.execute(failed.values(excused=True))


def retry(session: Session, row: RolloutRow, device: str, now_ms: int) -> None:
    """Ask a device that failed once more. Raises RolloutError."""
    if row.state == "superseded":
        raise RolloutError(f"rollout {row.id} is superseded: there is nothing to try again")
    which = (RolloutDeviceRow.rollout_id == row.id, RolloutDeviceRow.device == device)
    found = session.scalars(select(RolloutDeviceRow).where(*which)).one_or_none()
    if found is None:
        raise RolloutError(f"rollout {row.id} has no device {device!r}")
    if found.state not in FAILURES:
        raise RolloutError(f"{device} is {found.state}: it has not failed")
    found.state, found.since_ms, found.due_ms, found.asks = "waiting", now_ms, now_ms, 0
    found.why, found.excused, found.command_id = "tried again", False, None
    if row.state == "finished":
        row.state, row.changed_ms = "running", now_ms


def _latest(tenant: str, fleet: str) -> Select[RolloutRow]:
    of_fleet = select(RolloutRow).where(RolloutRow.tenant == tenant, RolloutRow.fleet == fleet)
    return of_fleet.order_by(RolloutRow.id.desc()).limit(1)


def _said(order: Order) -> str:
    return json.dumps(order.aim, sort_keys=True)


def _supersede(session: Session, row: RolloutRow, now_ms: int) -> None:
    in_hand = RolloutDeviceRow.state.in_(IN_HAND)
    busy = session.scalar(select(func.count()).where(RolloutDeviceRow.rollout_id == row.id, in_hand))
    if busy:
        hint = (
            "wait for them (`mirage deploy status`)" if row.state == "halted" else "--halt, and wait for them"
        )
        raise RolloutError(f"rollout {row.id} is under way, {busy} devices are at it: {hint}")
    row.state, row.why, row.changed_ms = "superseded", "by a later rollout", now_ms


def _take_in(session: Session, rollout_id: int, devices: Sequence[Ordered], now_ms: int) -> None:
    rows: list[Columns] = [
        {
            "rollout_id": rollout_id, "site": each.site, "device": each.device, "platform": each.platform,
            "wave": each.wave, "goals": json.dumps([astuple(goal) for goal in each.goals]),
            "goal": 0, "state": "waiting", "since_ms": now_ms, "due_ms": now_ms, "asks": 0, "told": "",
            "why": "", "excused": False,
        }
        for each in devices
    ]  # fmt: skip
    insert_missing(session, RolloutDeviceRow, rows)


def _forget_old(session: Session, row: RolloutRow) -> None:
    of_fleet = select(RolloutRow.id).where(RolloutRow.tenant == row.tenant, RolloutRow.fleet == row.fleet)
    last = session.scalar(of_fleet.order_by(RolloutRow.id.desc()).offset(KEPT).limit(1))
    if last is not None:
        session.execute(delete(RolloutRow).where(RolloutRow.id.in_(of_fleet.where(RolloutRow.id <= last))))
