"""HTML of the queue. Pure; whatever comes from a device or a worker is escaped."""

from html import escape

from cloud.jobs import STATES
from cloud.page import wording
from cloud.queue import Entry, Overview

_WAITS = {"queued": "waits for", "running": "for"}  # then how long; of those that are closed: how long ago


def tiles(now: Overview) -> str:
    """Show the numbers that say whether all is well."""
    waiting = sum(lane.queued for lane in now.lanes)
    dead = sum(lane.dead for lane in now.lanes)
    oldest = "nothing waits" if now.oldest_ms is None else f"oldest {span_text(now.now_ms - now.oldest_ms)}"
    took = "" if now.hour.render_ms is None else f"{now.hour.render_ms / 1000:.1f} s each"
    shown = [
        ("waiting", f"{waiting:,}", oldest, ""),
        ("running", f"{sum(lane.running for lane in now.lanes):,}", "", ""),
        ("done in the last hour", f"{now.hour.done:,}", took, ""),
        ("failed for good", f"{dead:,}", f"{now.hour.dead:,} in the last hour", "bad" if dead else ""),
        ("left out of live views", f"{now.live_late:,}", f"{now.hour.late:,} dropped in the last hour", ""),
    ]
    return "".join(
        f'<div class="job-tile {kind}"><b>{value}</b><span>{name}</span><span>{more}</span></div>'
        for name, value, more, kind in shown
    )


def lanes(now: Overview) -> str:
    """Count jobs by lane and state."""
    head = "".join(f'<th scope="col">{state}</th>' for state in STATES)
    rows = "".join(
        f'<tr><th scope="row">{escape(lane.lane)}</th>'
        + "".join(f"<td>{getattr(lane, state):,}</td>" for state in STATES)
        + "</tr>"
        for lane in now.lanes
    )
    return (
        '<table class="job-lanes"><caption class="job-hidden">Jobs by lane and state</caption>'
        f'<thead><tr><th scope="col">lane</th>{head}</tr></thead><tbody>{rows}</tbody></table>'
    )


def line(entry: Entry) -> str:
    """Describe a job in a list."""
    job = entry.job
    age = span_text(entry.age_ms)
    since = f"{_WAITS[job.state]} {age}" if job.state in _WAITS else f"{age} ago"
    facts = [job.lane, since]
    if job.attempts > 1:
        facts.append(f"try {job.attempts}")
    if job.worker is not None and job.state != "queued":
        facts.append(job.worker)
    error = "" if job.error is None else f'<span class="job-error">{escape(job.error)}</span>'
    return (
        f'<span class="job-name">{escape(entry.caption or "no description")}</span>'
        f'<span class="job-place">{escape(job.id)} · {escape(wording.place_text(entry.camera))}</span>'
        f'<span class="job-facts">{escape(" · ".join(facts))}</span>{error}'
    )


def span_text(span_ms: int) -> str:
    """Say 4 s, 5 min, 3 h, 2 days."""
    seconds = max(span_ms, 0) // 1000
    for size, unit in ((86_400 * 2, "days"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // (86_400 if unit == 'days' else size)} {unit}"
    return f"{seconds} s"
