"""What answers look like, for the description of the interface; tests compare them with real ones."""

from collections.abc import Mapping

CAMERA: Mapping[str, object] = {
    "id": "acme/north/jetson-1/gate",
    "tenant": "acme",
    "site": "north",
    "device": "jetson-1",
    "name": "gate",
    "width": 1280,
    "height": 720,
    "fps": 25.0,
    "state": "ready",
    "seen_ms": 1_790_000_471_000,
    "segments": 43_021,
    "bytes": 9_812_004,
    "alarms": [],
}
SEGMENT: Mapping[str, object] = {
    "id": 4711,
    "camera": "acme/north/jetson-1/gate",
    "sequence": 1203,
    "start_ms": 1_790_000_000_000,
    "duration_ms": 2000,
    "still": False,
    "historical": False,
    "caption": "a red car drives to the left",
    "fault": None,
    "bytes": 231,
    "layers": {"caption": 9, "motion": 14, "appearance-tokens": 196, "header": 12},
    "render": "none",
    "error": None,
    "clip": None,
}
CONSTRAINTS: Mapping[str, object] = {
    "long_side_px": {
        "value": 64,
        "by": "sender",
        "outcome": "limited",
        "why": "the sender allows 64, the receiver asked for 256: the sender goes before it",
    },
    "viewers": {
        "value": "operator",
        "by": "sender",
        "outcome": "granted",
        "why": "the sender asks for the higher role",
    },
}
CLIP: Mapping[str, object] = {
    "video": "/api/v1/clips/4711.mp4",
    "poster": "/api/v1/clips/4711.jpg",
    "bytes": 48_211,
    "width": 256,
    "height": 144,
    "frames": 50,
    "render_ms": 410,
    "provenance": '{"segment": 1203, "renderer": "preview"}',
    "seam": None,
    "degraded": None,
    "constraints": CONSTRAINTS,
    "confidence": {"score": 0.98, "low": False},
    "signed_by": "9f86d081884c7d65",
}
DEVICE: Mapping[str, object] = {
    "id": "acme/north/jetson-1",
    "state": "ready",
    "seen_ms": 1_790_000_471_000,
    "telemetry": {
        "at_ms": 1_790_000_460_000,
        "uptime_s": 86_400,
        "spool_packets": 3,
        "spool_bytes": 702,
        "spool_age_s": 1,
        "dropped": 0,
        "shed_details": 12,
        "alarms": [],
    },
}
QUEUED: Mapping[str, object] = {**SEGMENT, "render": "queued"}
CANCELLED: Mapping[str, object] = {**SEGMENT, "render": "cancelled"}
MADE: Mapping[str, object] = {**SEGMENT, "render": "done", "clip": CLIP}
MAKING: Mapping[str, object] = {"render": "queued"}


HIT: Mapping[str, object] = {
    "id": 92,
    "alert": 3,
    "caption": "a red car drives to the left",
    "historical": False,
    "raised_ms": 1_790_000_002_300,
    "segment": SEGMENT,
}
HITS: Mapping[str, object] = {"results": [HIT], "cursor": "1790000000000-92"}
TRIAL: Mapping[str, object] = {"matched": 14, "raised": 5, "more": False, "examples": [SEGMENT]}
POINT: Mapping[str, object] = {
    "start_ms": 1_790_000_000_000,
    "bytes": 33_810,
    "layers": {"caption": 2_541, "appearance-tokens": 12_083, "mqtt": 4_170, "transport": 12_880},
}
TALKER: Mapping[str, object] = {
    "place": "acme/north/jetson-1",
    "bytes": 812_345,
    "share": 0.31,
    "cost": 0.284321,
}
DEVICE_REPORT: Mapping[str, object] = {
    "device": "acme/north/jetson-1",
    "from_ms": 1_790_000_000_000,
    "to_ms": 1_790_086_400_000,
    "bytes": 812_345,
    "received": 401_220,
    "covered_s": 86_400,
    "h264_bytes": 7_417_016_020,
    "h265_bytes": None,
    "ratio_h264": 9130.5,
    "ratio_h265": None,
    "ratio_raw": 2_400_000.0,
    "cost": 0.284321,
    "currency": "EUR",
}
UNUSUAL: Mapping[str, object] = {
    "device": "acme/north/jetson-1",
    "hour_ms": 1_790_002_800_000,
    "bytes": 402_100,
    "expected": 33_000,
    "most": 91_000,
    "raised_ms": 1_790_006_420_000,
}
BUDGET: Mapping[str, object] = {
    "place": "acme/north",
    "bytes_per_month": 50_000_000,
    "billing_day": 1,
}
BUDGET_NOW: Mapping[str, object] = {
    **BUDGET,
    "from_ms": 1_788_220_800_000,
    "to_ms": 1_790_812_800_000,
    "used": 36_100_000,
    "share": 0.722,
    "forecast": None,
    "alerts": [70],
}


def shown(example: object, status: int = 200) -> dict[int | str, dict[str, object]]:
    """Give `responses` of a route that answers with JSON like this."""
    return {status: {"content": {"application/json": {"example": example}}}}


def bytes_of(media_type: str, *statuses: int) -> dict[int | str, dict[str, object]]:
    """Give `responses` of a route that answers with bytes."""
    words = {200: "All of it", 206: "The range that was asked for"}
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {status: {"description": words[status], "content": content} for status in statuses or (200,)}
