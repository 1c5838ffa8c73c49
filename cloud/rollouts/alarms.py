"""Which devices could not be updated: shown among their alarms for as long as their rollout is not over."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.rollouts.judge import FAILURES
from cloud.schema import RolloutDeviceRow, RolloutRow

UPDATE_FAILED = "update-failed"


def failed(session: Session) -> frozenset[str]:
    """Give tenant/site/device of those that failed in a rollout that runs or is halted."""
    query = (
        select(RolloutRow.tenant, RolloutDeviceRow.site, RolloutDeviceRow.device)
        .join(RolloutRow, RolloutRow.id == RolloutDeviceRow.rollout_id)
        .where(RolloutRow.state.in_(("running", "halted")), RolloutDeviceRow.state.in_(FAILURES))
    )
    return frozenset("/".join(row) for row in session.execute(query))
