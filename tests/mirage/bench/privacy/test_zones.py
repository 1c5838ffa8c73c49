"""What is recovered of hidden zones: nothing, and the measurement would notice."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cloud.render.keyframes import KeyframeDecoder
from edge.appearance import AppearanceEncoder
from edge.runtime import Runtime
from mirage.bench.privacy import zones
from mirage.bench.privacy.gates import gates
from mirage.bench.privacy.run import Measured
from mirage.bench.privacy.zones import Picture, Recovered
from tests.mirage.bench.quality.pictures import texture
from wire.bundle import Bundle

COUNT = 24


@pytest.fixture
def recover(tiny: Path) -> Callable[[], Recovered]:
    bundle = Bundle.load(tiny)
    pictures = [zones.sized(texture(seed), (160, 96)) for seed in range(12)]
    encoder, decoder = AppearanceEncoder(bundle, Runtime(1)), KeyframeDecoder(bundle, 1)
    return lambda: zones.recover(pictures, encoder, decoder.decode, zones.pixels, COUNT, lambda: None)


def failed(recovered: Recovered) -> set[str]:
    return {gate.name for gate in gates(Measured(zones={"shipped": recovered})) if not gate.ok}


def test_nothing_is_recovered_of_a_hidden_zone_and_much_of_one_that_is_shown(
    recover: Callable[[], Recovered],
) -> None:
    recovered = recover()
    assert recovered.differing == 0
    assert recovered.hidden.low <= 0.5 <= recovered.hidden.high
    assert recovered.shown.low > 0.9
    assert failed(recovered) == set()


def test_a_camera_that_hides_nothing_is_caught(
    recover: Callable[[], Recovered], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zones, "hidden", lambda picture, box: picture)  # noqa: ARG005
    recovered = recover()
    assert recovered.differing == COUNT
    assert recovered.hidden.low > 0.9
    assert failed(recovered) == {"zones_recovered_shipped", "zones_codes_that_differ"}


def test_a_camera_that_blurs_instead_of_filling_is_caught(
    recover: Callable[[], Recovered], monkeypatch: pytest.MonkeyPatch
) -> None:
    def blurred(picture: Picture, box: zones.Box) -> Picture:
        rough = zones.sized(zones.sized(picture, (10, 6)), picture.shape[1::-1])
        height, width = picture.shape[:2]
        rows = slice(round(box[1] * height), round(box[3] * height))
        columns = slice(round(box[0] * width), round(box[2] * width))
        made = picture.copy()
        made[rows, columns] = rough[rows, columns]
        return made

    monkeypatch.setattr(zones, "hidden", blurred)
    assert {"zones_recovered_shipped", "zones_codes_that_differ"} <= failed(recover())


def test_too_few_pictures_are_an_error(tiny: Path) -> None:
    encoder = AppearanceEncoder(Bundle.load(tiny), Runtime(1))
    blank = np.zeros((96, 160, 3), np.uint8)
    with pytest.raises(ValueError, match="2 pictures are too few: 10 at least"):
        zones.recover([blank] * 2, encoder, lambda _: blank, zones.pixels, 1, lambda: None)
