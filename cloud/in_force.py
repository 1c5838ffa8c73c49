"""Whether what a device was last asked to send, and agreed to, still holds.

set-policy --reply's `result`--> policy_id --.
remark of the device --policy, when it came--+--> still the same? Its own file may have been changed.

Where it has several links, that is known while the one is active on which it answered.
"""

import json
from collections.abc import Mapping

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud.schema import CommandRow, TelemetryRow
from wire import documents
from wire.telemetry import policy_id

NOT_IN_FORCE = "policy-not-in-force"  # beside a device's own alarms


def policies(session: Session) -> dict[int, bool]:
    """Tell of each device that answered a set-policy, and has said since what it does, whether it is that."""
    newest = (
        select(CommandRow.device_id, func.max(CommandRow.created_ms).label("created_ms"))
        .where(CommandRow.verb == "set-policy", CommandRow.state == "answered")
        .group_by(CommandRow.device_id)
        .subquery()
    )
    query = (
        select(CommandRow.device_id, CommandRow.created_ms, CommandRow.reply, TelemetryRow.more)
        .join(
            newest,
            (newest.c.device_id == CommandRow.device_id) & (newest.c.created_ms == CommandRow.created_ms),
        )
        .join(TelemetryRow, TelemetryRow.device_id == CommandRow.device_id)
        .where(CommandRow.verb == "set-policy", CommandRow.state == "answered")
    )
    found = {
        device_id: _holds(reply, created_ms, json.loads(more))
        for device_id, created_ms, reply, more in session.execute(query)
    }
    return {device_id: holds for device_id, holds in found.items() if holds is not None}


def _holds(reply: str | None, created_ms: int, said: Mapping[str, int | str | None]) -> bool | None:
    policy, said_ms = said.get("policy"), said.get("policy_ms")
    if reply is None or policy is None or not isinstance(said_ms, int) or said_ms <= created_ms:
        return None
    result = documents.decode_reply(reply.encode()).result
    if result.get("link", "") != said.get("policy_link", ""):
        return None  # on another link other limits hold
    return policy == policy_id(result)
