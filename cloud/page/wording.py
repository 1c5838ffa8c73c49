"""Numbers as people read them. Pure."""

from datetime import UTC, datetime, timedelta, timezone

from cloud.catalog import CameraView, ClipView, SegmentView
from cloud.index import HEADER_LABEL

ALARMS = {
    "disk-full": "its disk is full",
    "spool-damaged": "its spool was damaged",
    "clock-stepped": "its clock jumped",
    "overloaded": "it falls behind its cameras",
    "redaction-failed": "what is to be hidden cannot be hidden, so nothing of a camera is sent",
}
STATES = {"ready": "online", "sleeping": "asleep", "lost": "connection lost", "unknown": "not announced yet"}
LAYERS = {
    "caption": "caption",
    "motion": "motion",
    "appearance-vector": "appearance vector",
    "appearance-tokens": "appearance, coarse",
    "appearance-detail": "appearance, fine",
    "policy": "policy",
    HEADER_LABEL: "header",
}


def bytes_text(count: int) -> str:
    """Say 312 B, 4.1 kB, 2.3 MB."""
    if count < 1000:
        return f"{count} B"
    value, unit = count / 1000, "kB"
    for larger in ("MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.1f} {unit}" if value < 99.5 else f"{value:.0f} {unit}"


def duration_text(duration_ms: int) -> str:
    """Say 2.0 s, 1 min 0 s."""
    if duration_ms < 60_000:
        return f"{duration_ms / 1000:.1f} s"
    minutes, seconds = divmod(round(duration_ms / 1000), 60)
    return f"{minutes} min {seconds} s"


def zone(offset_minutes: int) -> timezone:
    """Give a browser's time zone from what its getTimezoneOffset() says: minutes to add for UTC."""
    return timezone(timedelta(minutes=-max(min(offset_minutes, 1439), -1439)))


def clock_text(at_ms: int, tz: timezone) -> str:
    """Say 17:04:05."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(tz).strftime("%H:%M:%S")


def date_text(at_ms: int, tz: timezone) -> str:
    """Say Sun 22 Nov 2026."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(tz).strftime("%a %d %b %Y")


def place_text(camera: str) -> str:
    """Say gate · jetson-1 · north of acme/north/jetson-1/gate."""
    return " · ".join(reversed(camera.split("/")[1:]))


def found_text(count: int, *, more: bool) -> str:
    """Say how much a search found; more than `count` if there is `more`."""
    if not count:
        return "No caption says that."
    if count == 1 and not more:
        return "1 caption"
    return f"{'More than ' if more else ''}{count} captions, the newest first"


def ago_text(at_ms: int, now_ms: int) -> str:
    """Say just now, 5 min ago, 3 h ago, 2 days ago."""
    seconds = max(0, now_ms - at_ms) // 1000
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{seconds // 60} min ago"
    if seconds < 2 * 86_400:
        return f"{seconds // 3600} h ago"
    return f"{seconds // 86_400} days ago"


def alarm_text(alarm: str) -> str:
    """Say what a device complains of; an alarm that this version does not know goes by its name."""
    return ALARMS.get(alarm, alarm)


def size_text(camera: CameraView) -> str:
    """Say 1280x720, 25 fps; empty until the camera's birth has come."""
    if camera.width is None or camera.height is None or camera.fps is None:
        return ""
    return f"{camera.width}x{camera.height}, {camera.fps:g} fps"


def ratio_text(segment: SegmentView, camera: CameraView | None) -> str:
    """Say by how much a segment is smaller than its frames as RGB, to two digits; empty if not known."""
    if camera is None or camera.width is None or camera.height is None or camera.fps is None:
        return ""
    raw = camera.width * camera.height * 3 * camera.fps * segment.duration_ms / 1000
    ratio = raw / max(segment.bytes, 1)
    if ratio < 1:
        return ""
    return f"{float(f'{ratio:.2g}'):,.0f} times smaller than raw"


def confidence_text(clip: ClipView) -> str:
    """Say how sure a clip is, in words also where it is not."""
    match clip.confidence:
        case {"score": int() | float() as score, "low": True}:
            return f"Low confidence, {100 * score:.0f} %: the picture may not show what was received"
        case {"score": int() | float() as score}:
            return f"Confidence {100 * score:.0f} %: how near the picture is to what was received"
        case {"why": str(why)}:
            return f"Confidence unknown: {why}"
        case _:
            return "Confidence unknown"


def is_doubtful(segment: SegmentView) -> bool:
    """Tell whether a clip's confidence is known, and low."""
    return segment.clip is not None and segment.clip.confidence.get("low") is True


def heading(segment: SegmentView) -> str:
    """Say what a segment shows, or why nobody knows."""
    if segment.fault is not None:
        return "Not understood yet"
    return segment.caption or "No description was sent"


def layer_text(label: str) -> str:
    """Name a layer for people; one that this version does not know by its label."""
    return LAYERS.get(label, label)
