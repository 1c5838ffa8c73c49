"""How a clip was made, for reading, and what it is called when it is downloaded. Pure.

    {"packets": [3, 4], "policy": {...}, "seed": 0, ...} --> Packets 2, from 3 to 4 · Constraints ... · Seed 0

The statement is that of the clip itself: the MP4 has it in its metadata, `/api/v1/clips/ID.json` gives it.
Captions, styles and names come from devices and settings: all is escaped.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from html import escape

from cloud.catalog import ClipView, SegmentView
from cloud.page import wording

_NAMES = {
    "camera": "Camera",
    "boot": "Boot",
    "segment": "Segment",
    "source": "Filmed at",
    "packets": "Packets",
    "packets_bytes": "Bytes of packets",
    "packets_sha256": "SHA-256 of packets",
    "bundle": "Bundle",
    "renderer": "Renderer",
    "seed": "Seed",
    "style": "Style",
    "policy": "Constraints",
    "constraints": "Who decided",
    "continues": "Goes on from",
    "degraded": "Falls short",
    "clip": "Film",
    "confidence": "Confidence",
    "signature": "Signed",
}
_ELSEWHERE = frozenset({"notice"})  # is the heading


def provenance_list(clip: ClipView) -> str:
    """List what a clip was made from; what this version does not know is shown by its own name."""
    statement: dict[str, object] = json.loads(clip.document or clip.provenance)
    known = [name for name in _NAMES if name in statement]
    others = [name for name in statement if name not in _NAMES and name not in _ELSEWHERE]
    items = "".join(_item(name, statement[name]) for name in (*known, *others))
    return f"<dl>{items}</dl>"


def takeaway(segment: SegmentView, clip: ClipView) -> str:
    """Link to the film, to be downloaded, and to what it was made from; the film has that in it, too."""
    return (
        f'<a href="{escape(clip.video)}" download="{escape(file_name(segment))}">Download MP4</a>'
        f'<a href="/api/v1/clips/{segment.id}.json">Provenance as JSON</a>'
    )


def file_name(segment: SegmentView) -> str:
    """Name a downloaded film: gate-20260921T141320Z-reconstructed.mp4."""
    camera = segment.camera.rpartition("/")[2]
    at = datetime.fromtimestamp(segment.start_ms / 1000, UTC)
    return f"{camera}-{at:%Y%m%dT%H%M%SZ}-reconstructed.mp4"


def _item(name: str, value: object) -> str:
    if value in (None, ""):
        return ""
    text = _vouched(name, value) or _text(name, value)
    return f"<dt>{escape(_NAMES.get(name, name))}</dt><dd>{escape(text)}</dd>"


def _text(name: str, value: object) -> str:
    match name, value:
        case "packets", [first, *_, last]:
            return f"{len(value)}, from {first} to {last}"
        case "packets", [only]:
            return f"1, number {only}"
        case "source", [int(width), int(height), int() | float() as fps]:
            return f"{width}x{height}, {fps:g} fps"
        case "packets_bytes", int(count):
            return wording.bytes_text(count)
        case _, dict():
            return "; ".join(_decided(value)) or ", ".join(_stated(value)) or "none"
        case _:
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _vouched(name: str, value: object) -> str | None:
    """Say who vouches for a clip and how sure it is; None of anything else."""
    match name, value:
        case "clip", {"sha256": str(digest), "bytes": int(count)}:
            return f"{wording.bytes_text(count)}, SHA-256 {digest}"
        case "signature", {"algorithm": str(algorithm), "key": str(key)}:
            return f"{algorithm}, key {key}"
        case "confidence", {"score": None, "why": str(why)}:
            return f"unknown: {why}"
        case "confidence", {"score": int() | float() as score, "measure": measure, "likeness": likeness}:
            return f"{score:.3f} (likeness {likeness} by {measure})"
    return None


def _decided(constraints: Mapping[str, object]) -> Iterator[str]:
    """Say who decided what, and why, where someone did."""
    for name, decision in constraints.items():
        match decision:
            case {"value": value, "by": by, "outcome": outcome, "why": why} if outcome != "default":
                text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                yield f"{name} {text or 'none'}, {outcome} by the {by} ({why})"


def _stated(constraints: Mapping[str, object]) -> Iterator[str]:
    """Say those constraints that are there; the others are left to the bundle."""
    for name, value in constraints.items():
        if value not in (None, "", [], {}) and not isinstance(value, dict):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield f"{name} {text}"
