"""HTML of what is shown many times over. Pure; whatever comes from a device is escaped.

Layer labels become class names, so they are reduced to letters and hyphens.
"""

import re
from datetime import timezone
from html import escape

from cloud.catalog import CameraView, SegmentView
from cloud.page import wording

_UNSAFE = re.compile(r"[^a-z-]")


def camera_card(camera: CameraView, now_ms: int) -> str:
    """Make the inside of a camera's button."""
    state = wording.STATES.get(camera.state, camera.state)
    segments = "1 segment" if camera.segments == 1 else f"{camera.segments} segments"
    sent = f"{segments} · {wording.bytes_text(camera.bytes)}"
    seen = f"{state}, {wording.ago_text(camera.seen_ms, now_ms)}"
    return (
        f'<span class="dot state-{_name(camera.state)}"></span>'
        f'<span class="camera-name">{escape(camera.name)}</span>'
        f'<span class="camera-place">{escape(camera.device)} · {escape(camera.site)}</span>'
        f'<span class="camera-facts">{escape(wording.size_text(camera))}</span>'
        f'<span class="camera-facts">{escape(sent)}</span>'
        f'<span class="camera-seen">{escape(seen)}</span>' + "".join(_alarm(alarm) for alarm in camera.alarms)
    )


def _alarm(alarm: str) -> str:
    return f'<span class="alarm">{escape(wording.alarm_text(alarm))}</span>'


def segment_card(segment: SegmentView, tz: timezone) -> str:
    """Make the inside of a segment's button in the timeline."""
    return _card(segment, wording.clock_text(segment.start_ms, tz), "")


def found_card(segment: SegmentView, tz: timezone, alert: str = "") -> str:
    """Make the inside of a search result's button, which also says of what day and camera it is.

    And which alert found it, if one did.
    """
    when = f"{wording.date_text(segment.start_ms, tz)}, {wording.clock_text(segment.start_ms, tz)}"
    where = f'<span class="card-place">{escape(wording.place_text(segment.camera))}</span>'
    named = f'<span class="card-alert">{escape(alert)}</span>' if alert else ""
    return _card(segment, when, where + named)


def _card(segment: SegmentView, when: str, where: str) -> str:
    text = segment.fault if segment.fault is not None else wording.heading(segment)
    kind = "fault" if segment.fault is not None else ""
    return (
        f'<span class="thumb">{_thumb(segment)}'
        f'<span class="length">{escape(wording.duration_text(segment.duration_ms))}</span></span>'
        '<span class="card-text"><span class="card-line">'
        f"<time>{when}</time>{_tags(segment)}"
        f"<b>{wording.bytes_text(segment.bytes)}</b></span>"
        f'<span class="card-caption {kind}">{escape(text)}</span>{where}{layer_bar(segment)}</span>'
    )


def layer_bar(segment: SegmentView) -> str:
    """Draw a segment's bytes by layer as one bar."""
    whole = max(sum(segment.layers.values()), 1)
    parts = "".join(
        f'<span class="layer-{_name(label)}" style="width:{100 * count / whole:.2f}%"></span>'
        for label, count in segment.layers.items()
        if count
    )
    return f'<span class="bar" aria-hidden="true">{parts}</span>'


def layer_legend(segment: SegmentView) -> str:
    """List a segment's bytes by layer."""
    items = "".join(
        f'<li><span class="swatch layer-{_name(label)}"></span>{escape(wording.layer_text(label))}'
        f"<b>{wording.bytes_text(count)}</b></li>"
        for label, count in segment.layers.items()
        if count
    )
    return f'{layer_bar(segment)}<ul class="legend">{items}</ul>'


def facts(segment: SegmentView, camera: CameraView | None, tz: timezone) -> str:
    """List what is known of the segment that is shown."""
    shown = [
        f"{wording.date_text(segment.start_ms, tz)}, {wording.clock_text(segment.start_ms, tz)}",
        wording.duration_text(segment.duration_ms),
        f"{wording.bytes_text(segment.bytes)} received",
        wording.ratio_text(segment, camera),
    ]
    if segment.clip is not None:
        shown.append(f"shown at {segment.clip.width}x{segment.clip.height}")
    return "".join(f"<span>{escape(fact)}</span>" for fact in shown if fact) + _tags(segment)


def _thumb(segment: SegmentView) -> str:
    if segment.clip is not None:
        return f'<img src="{escape(segment.clip.poster)}" alt="" loading="lazy">'
    words = {"queued": "waiting", "running": "rendering…", "failed": "failed", "cancelled": "cancelled"}
    word = words.get(segment.render, "▶")
    plate = f'<span class="no-thumb render-{_name(segment.render)}">{word}</span>'
    if segment.fault is not None:
        return plate
    # The keyframe lies over the plate, and what is told over both; where there is none, the plate is seen.
    keyframe = f'<img src="/api/v1/segments/{segment.id}/thumb.jpg" alt="" loading="lazy">'
    told = "" if word == "▶" else f'<span class="told">{word}</span>'
    return plate + keyframe + told


def _tags(segment: SegmentView) -> str:
    tags = [("still", segment.still), ("backlog", segment.historical)]
    shown = "".join(f'<span class="tag">{name}</span>' for name, true in tags if true)
    return shown + ('<span class="tag doubt">low confidence</span>' if wording.is_doubtful(segment) else "")


def confidence(segment: SegmentView) -> str:
    """Say how sure the clip that is shown is; nothing where there is none."""
    if segment.clip is None:
        return ""
    kind = "doubt" if wording.is_doubtful(segment) else ""
    return f'<span class="{kind}">{escape(wording.confidence_text(segment.clip))}</span>'


def _name(label: str) -> str:
    return _UNSAFE.sub("", label)
