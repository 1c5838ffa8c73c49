"""What people see of a rollout."""

import json
from collections import Counter
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.rollouts import sight
from cloud.rollouts.duty import DUTY
from cloud.rollouts.judge import FAILURES
from cloud.schema import DutyRow, RolloutDeviceRow, RolloutRow


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """A device of a rollout. `runs` is what its last birth says; `update` what it said last of its update."""

    device: str
    wave: str
    platform: str
    release: str
    bundle: str
    state: str
    update: str
    runs: str
    is_here: bool
    since_ms: int
    why: str


@dataclass(frozen=True, slots=True)
class RolloutReport:
    """A rollout and its devices, wave after wave. `is_minded` says whether a cloud moves it on."""

    id: int
    fleet: str
    aim: dict[str, str]
    state: str
    why: str
    created_ms: int
    changed_ms: int
    is_minded: bool
    counts: dict[str, int]
    devices: tuple[DeviceReport, ...]

    @property
    def done(self) -> int:
        """Devices that have committed, or failed."""
        return sum(each.state == "committed" or each.state in FAILURES for each in self.devices)

    @property
    def away(self) -> int:
        """Devices that are awaited, because they are not there."""
        return sum(not each.is_here and each.state == "waiting" for each in self.devices)


def report(session: Session, rollout: RolloutRow, now_ms: int) -> RolloutReport:
    """Say how a rollout is."""
    of_rollout = select(RolloutDeviceRow).where(RolloutDeviceRow.rollout_id == rollout.id)
    order = (RolloutDeviceRow.wave, RolloutDeviceRow.site, RolloutDeviceRow.device)
    rows = session.scalars(of_rollout.order_by(*order)).all()
    seen, waves = sight.looked_at(session, rollout.tenant, rows), json.loads(rollout.waves)
    devices = []
    for row in rows:
        ids = {goal.kind: goal.id for goal in sight.goals_of(row)}
        known = seen[row.id]
        why = row.why or ("" if known.is_here or row.state != "waiting" else "away")
        devices.append(
            DeviceReport(
                f"{rollout.tenant}/{row.site}/{row.device}", waves[row.wave], row.platform,
                ids.get("agent", ""), ids.get("bundle", ""), row.state, row.told, known.software,
                known.is_here, row.since_ms, why,
            )
        )  # fmt: skip
    lease_ms = session.scalar(select(DutyRow.lease_ms).where(DutyRow.name == DUTY))
    return RolloutReport(
        rollout.id, rollout.fleet, json.loads(rollout.aim), rollout.state, rollout.why,
        rollout.created_ms, rollout.changed_ms, lease_ms is not None and lease_ms > now_ms,
        dict(sorted(Counter(each.state for each in devices).items())), tuple(devices),
    )  # fmt: skip
