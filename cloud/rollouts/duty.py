"""Moves rollouts on, over and over, by one process for all.

store: rollouts, devices, births, answers --> judge, waves --> commands, rollouts     one transaction

It runs where commands are sent, in an ingest: whoever ordered the rollout may close the laptop. What was
decided is in the store with the command that follows from it, so a process that dies leaves nothing half.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Sequence
from typing import cast

import structlog
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from cloud import commands, duties
from cloud.clock import Clock, wall_ms
from cloud.rollouts import sight
from cloud.rollouts.judge import Move, Pace, Seen, Standing, State, judge
from cloud.rollouts.waves import Member, Reached, reached, tally
from cloud.schema import CommandRow, RolloutDeviceRow, RolloutRow
from cloud.store import Store, StoreError

DUTY = "rollouts"
LEASE_MS = 30_000
MOST_ASKS = 64  # in one transaction: as many as an ingest takes at once
_SETTLED = ("committed", "failed")  # what is silent may speak up
_SHARE = 0.05  # of the time, for fleets of thousands

log = structlog.get_logger()


class Rollouts:
    """Does it for as long as this process has the duty. Runs on one thread."""

    def __init__(self, store: Store, clock: Clock = wall_ms, pace: Pace | None = None) -> None:
        self._store = store
        self._clock = clock
        self._pace = pace or Pace()
        self._holder = f"{socket.gethostname()[:80]}-{os.getpid()}-{id(self)}"

    def run(self, stop: threading.Event) -> None:
        """Work until `stop`; a store that does not answer is tried again."""
        rest_s = self._pace.look_s
        while not stop.wait(rest_s):
            began_s = time.monotonic()
            try:
                self.work()
            except StoreError as error:
                log.warning("cannot move rollouts, trying again", error=str(error))
            rest_s = max(self._pace.look_s, (time.monotonic() - began_s) / _SHARE)

    def work(self) -> None:
        """Move all rollouts on by one step, if this process has the duty. Raises StoreError."""
        with self._store.write() as session:
            now_ms = self._clock()
            if not duties.hold(session, DUTY, self._holder, now_ms, LEASE_MS):
                return
            for row in _under_way(session):
                self._advance(session, row, now_ms)

    def _advance(self, session: Session, rollout: RolloutRow, now_ms: int) -> None:
        """Hear first what came of those that were asked: after one failure too many, nobody else is."""
        settled = _settled(session, rollout.id)
        of_rollout = select(RolloutDeviceRow).where(RolloutDeviceRow.rollout_id == rollout.id)
        rows = session.scalars(
            of_rollout.where(RolloutDeviceRow.state.not_in(_SETTLED)).order_by(RolloutDeviceRow.id)
        ).all()
        seen = sight.looked_at(session, rollout.tenant, rows)
        asks = 0
        for row in rows:
            row.away_ms = None if seen[row.id].is_here else row.away_ms or now_ms
            if row.state != "waiting":
                asks += self._move(session, rollout, row, seen[row.id], now_ms, asks)
        now = _reached(rollout, settled, rows, now_ms - rollout.health_ms - self._pace.margin_ms)
        _conclude(rollout, now, now_ms)
        if rollout.state == "running":
            for row in rows:
                if row.state == "waiting" and row.wave <= now.wave and seen[row.id].is_here:
                    asks += self._move(session, rollout, row, seen[row.id], now_ms, asks)

    def _move(
        self, session: Session, rollout: RolloutRow, row: RolloutDeviceRow, seen: Seen, now_ms: int, asks: int
    ) -> int:
        """Move a device on; gives how many commands went out."""
        goals, before = sight.goals_of(row), row.state
        goal = goals[row.goal]
        move = judge(_standing(row), seen, goal, now_ms, rollout.health_ms, self._pace)
        if move.ask is not None and asks >= MOST_ASKS:
            return 0  # its turn comes
        if move.standing.state == "committed" and row.goal + 1 < len(goals):
            row.goal += 1
            move = Move(Standing("waiting", now_ms, now_ms))
        _write(row, move.standing)
        if row.state != before:
            log.info("rollout", id=rollout.id, device=row.device, state=row.state, why=row.why)
        if row.command_id is not None and (move.ask is not None or _is_over(seen)):
            session.execute(delete(CommandRow).where(CommandRow.id == row.command_id))
            row.command_id = None
        if move.ask is None:
            return 0
        arguments = {} if move.ask == "ping" else goal.arguments
        place = f"{rollout.tenant}/{row.site}/{row.device}"
        row.command_id = commands.ask(session, place, move.ask, arguments, now_ms, self._pace.answer_ms)
        return 1


def _under_way(session: Session) -> Sequence[RolloutRow]:
    """Give the rollouts that may move: what is in hand goes on after a halt, and the silent may speak up."""
    query = select(RolloutRow).where(RolloutRow.state.in_(("running", "halted"))).order_by(RolloutRow.id)
    return session.scalars(query.with_for_update()).all()


def _settled(session: Session, rollout_id: int) -> list[tuple[Member, int]]:
    """Count the devices that are done for good."""
    columns = (RolloutDeviceRow.wave, RolloutDeviceRow.state, RolloutDeviceRow.excused)
    query = select(*columns, func.count()).where(
        RolloutDeviceRow.rollout_id == rollout_id, RolloutDeviceRow.state.in_(_SETTLED)
    )
    counted = session.execute(query.group_by(*columns))
    return [
        (Member(wave, cast("State", state), excused=excused), count)
        for wave, state, excused, count in counted
    ]


def _reached(
    rollout: RolloutRow, settled: Sequence[tuple[Member, int]], rows: Sequence[RolloutDeviceRow], gone_ms: int
) -> Reached:
    """Say how far the rollout is; who has not been there since `gone_ms` holds nobody up."""
    names = json.loads(rollout.waves)
    members = list(settled)
    for row in rows:
        gone = row.away_ms is not None and row.away_ms < gone_ms
        state = cast("State", row.state)
        members.append((Member(row.wave, state, row.away_ms is None, gone, row.excused), 1))
    return reached(names, tally(len(names), members), rollout.halt_after)


def _conclude(rollout: RolloutRow, now: Reached, now_ms: int) -> None:
    if rollout.state == "halted":  # a person goes on with it
        return
    if (rollout.state, rollout.why) != (now.outcome, now.why):
        rollout.state, rollout.why, rollout.changed_ms = now.outcome, now.why, now_ms
        log.info("rollout", id=rollout.id, state=rollout.state, why=rollout.why)


def _is_over(seen: Seen) -> bool:
    return seen.answer is not None and seen.answer.outcome != "pending"


def _standing(row: RolloutDeviceRow) -> Standing:
    return Standing(cast("State", row.state), row.since_ms, row.due_ms, row.asks, row.told, row.why)


def _write(row: RolloutDeviceRow, now: Standing) -> None:
    row.state, row.since_ms, row.due_ms, row.asks = now.state, now.since_ms, now.due_ms, now.asks
    row.told, row.why = now.told, now.why
