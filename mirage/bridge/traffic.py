"""What an event entity of Home Assistant is told of budgets and of usage that stands out."""

import msgspec

from mirage.bridge.discovery import BUDGET_REACHED, UNUSUAL_USAGE
from wire.events import BudgetReached, Notice, time_text


def told(notice: Notice) -> bytes:
    """Write the event, whose attributes are all but its type. Sizes are bytes, times RFC 3339."""
    facts: dict[str, object] = {"place": notice.data.place, "time": notice.time}
    if isinstance(notice, BudgetReached):
        budget = notice.data
        facts |= {
            "event_type": BUDGET_REACHED,
            "percent": budget.percent,
            "used": budget.used,
            "budget": budget.budget,
            "from": time_text(budget.from_ms),
            "to": time_text(budget.to_ms),
        }
    else:
        usage = notice.data
        facts |= {
            "event_type": UNUSUAL_USAGE,
            "hour": time_text(usage.hour_ms),
            "bytes": usage.bytes,
            "expected": usage.expected,
            "most": usage.most,
        }
    return msgspec.json.encode(facts)
