"""HTML of alerts and of what they found. Pure; whatever people or devices wrote is escaped."""

from datetime import timezone
from html import escape

from cloud.alerts.history import Trial
from cloud.alerts.hits import Activity, AlertHit
from cloud.alerts.rules import Alert
from cloud.catalog import SegmentView
from cloud.page import markup, wording


def rule(alert: Alert, day: Activity | None, now_ms: int) -> str:
    """Say what an alert looks for, and what became of it lately."""
    facts = [
        where_text(alert),
        when_text(alert),
        quiet_text(alert.cooldown_s),
        *(["posts to a webhook"] if alert.webhook else []),
    ]
    trouble = "" if alert.webhook_error is None else f"webhook: {alert.webhook_error}"
    error = f'<span class="rule-error">{escape(trouble)}</span>' if trouble else ""
    return (
        f'<span class="rule-name">{escape(alert.name)}</span>'
        f'<code class="rule-query">{escape(alert.query)}</code>'
        f'<span class="rule-facts">{escape(" · ".join(facts))}</span>'
        f'<span class="rule-facts">{escape(day_text(day, now_ms))}</span>{error}'
    )


def hit_card(hit: AlertHit, name: str, tz: timezone) -> str:
    """Make the inside of a hit's link: its segment, and which alert found it."""
    return markup.found_card(hit.segment, tz, name)


def trial(found: Trial, tz: timezone) -> str:
    """Say what an alert would have found, with examples."""
    cards = "".join(_example(each, tz) for each in found.examples)
    return f'<p class="trial-text">{escape(trial_text(found))}</p><div class="timeline">{cards}</div>'


def _example(segment: SegmentView, tz: timezone) -> str:
    return f'<a class="card" href="/?segment={segment.id}">{markup.found_card(segment, tz)}</a>'


def trial_text(found: Trial) -> str:
    """Say how much an alert would have found in the last day."""
    if not found.matched:
        return "In the last day, nothing matched."
    least = "at least " if found.more else ""
    captions = "1 caption" if found.matched == 1 else f"{found.matched} captions"
    hits = "1 hit" if found.raised == 1 else f"{found.raised} hits"
    return f"In the last day, {least}{captions} matched: {least}{hits}."


def where_text(alert: Alert) -> str:
    """Say everywhere, or at acme/north."""
    return f"at {alert.place}" if alert.place else "everywhere"


def when_text(alert: Alert) -> str:
    """Say at any time, or 22:00-06:00 (Europe/Berlin)."""
    return "at any time" if alert.hours is None else f"{alert.hours} ({alert.zone})"


def quiet_text(cooldown_s: int) -> str:
    """Say quiet for 45 s, 1 min, 2 h, 1 day; the largest unit that says it exactly."""
    if cooldown_s == 0:
        return "never quiet"
    for unit, seconds in (("day", 86_400), ("h", 3600), ("min", 60)):
        count, rest = divmod(cooldown_s, seconds)
        if count and not rest:
            return f"quiet for {count} {unit}{'s' if unit == 'day' and count > 1 else ''}"
    return f"quiet for {cooldown_s} s"


def day_text(day: Activity | None, now_ms: int) -> str:
    """Say how often an alert was raised in the last day."""
    if day is None:
        return "no hit in the last day"
    hits = "1 hit" if day.hits == 1 else f"{day.hits} hits"
    return f"{hits} in the last day, the last {wording.ago_text(day.last_ms, now_ms)}"
