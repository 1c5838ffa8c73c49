"""What is attacked: what senders may choose, and presets at the most that they ever send."""

from pathlib import Path

import pytest

from mirage.bench.privacy.settings import Setting, captions_only, settings
from wire.bundle import Bundle
from wire.policy.presets import PRESETS


@pytest.fixture
def chosen(tiny: Path) -> dict[str, Setting]:
    info = Bundle.load(tiny).manifest.appearance
    assert info is not None
    return {setting.name: setting for setting in settings(info)}


def test_presets_count_as_the_most_that_they_send(chosen: dict[str, Setting]) -> None:
    assert {name: chosen[name].planes for name in PRESETS} == {"private": 4, "balanced": 24, "faithful": 24}
    assert {name: chosen[name].sent_planes for name in PRESETS} == {
        "private": 4,
        "balanced": 8,
        "faithful": 8,
    }
    assert {name: chosen[name].sender for name in PRESETS} == {n: p.sender for n, p in PRESETS.items()}


def test_presets_redact_as_they_say(chosen: dict[str, Setting]) -> None:
    assert {name for name, setting in chosen.items() if setting.redacts} == {"private", "balanced"}
    assert chosen["private, faces kept"].sender == chosen["private"].sender


def test_each_way_of_sending_less_is_among_them(chosen: dict[str, Setting]) -> None:
    assert {setting.planes for setting in chosen.values()} == {4, 8, 24}
    assert {setting.sender.picture_px for setting in chosen.values()} >= {None, 48, 32}
    assert {setting.sender.noise for setting in chosen.values()} >= {0, 8, 32}
    assert captions_only().sent_planes == 0
