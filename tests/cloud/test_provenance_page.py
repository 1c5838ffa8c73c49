"""How a clip was made, as people read it."""

import json
from dataclasses import replace

import pytest

from cloud.catalog import ClipView
from cloud.page.provenance import file_name, provenance_list, takeaway
from tests.cloud.test_wording import SEGMENT

CLIP = ClipView(
    video="/api/v1/clips/1.mp4", poster="/api/v1/clips/1.jpg", bytes=9, width=256, height=144, frames=50,
    render_ms=300, provenance="{}", seam=None,
)  # fmt: skip

DECISION = {"value": 64, "by": "sender", "outcome": "limited", "why": "64 < 256"}


def listed(**statement: object) -> str:
    return provenance_list(replace(CLIP, provenance=json.dumps(statement)))


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ({"packets": [3, 4, 5]}, "<dt>Packets</dt><dd>3, from 3 to 5</dd>"),
        ({"packets": [7]}, "<dt>Packets</dt><dd>1, number 7</dd>"),
        ({"packets_bytes": 1234}, "<dt>Bytes of packets</dt><dd>1.2 kB</dd>"),
        ({"source": [1920, 1080, 30.0]}, "<dt>Filmed at</dt><dd>1920x1080, 30 fps</dd>"),
        ({"seed": 0}, "<dt>Seed</dt><dd>0</dd>"),
        (
            {"policy": {"long_side_px": 256, "steps": None, "style_prompt": "rain", "anchors": []}},
            "<dt>Constraints</dt><dd>long_side_px 256, style_prompt rain</dd>",
        ),
        (
            {"constraints": {"steps": DECISION | {"outcome": "default"}, "long_side_px": DECISION}},
            "<dt>Who decided</dt><dd>long_side_px 64, limited by the sender (64 &lt; 256)</dd>",
        ),
        ({"policy": {}}, "<dt>Constraints</dt><dd>none</dd>"),
        ({"later": {"a": 0}}, "<dt>later</dt><dd>a 0</dd>"),
    ],
)
def test_each_part_is_said_in_words(statement: dict[str, object], shown: str) -> None:
    assert listed(**statement) == f"<dl>{shown}</dl>"


def test_what_is_not_there_and_the_notice_are_left_out() -> None:
    assert listed(notice="AI-reconstructed", continues=None, degraded="") == "<dl></dl>"


def test_what_comes_from_elsewhere_is_text() -> None:
    shown = listed(policy={"style_prompt": "<script>"}, **{"<b>": "<i>"})
    assert "<script>" not in shown
    assert "<b>" not in shown
    assert "<i>" not in shown


def test_a_film_is_called_after_camera_and_time() -> None:
    name = file_name(replace(SEGMENT, camera="acme/north/edge-1/gate"))
    assert name == "gate-20260921T141320Z-reconstructed.mp4"
    assert f'download="{name}"' in takeaway(replace(SEGMENT, camera="acme/north/edge-1/gate"), CLIP)
