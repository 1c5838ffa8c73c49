"""Grids that captions are learned from: views of a segment, some as a code leaves them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from export.data.grids import Views, guessed
from export.train.appearance import Codec
from export.train.coded import TrainedCode
from models.tiny.appearance import IMAGE_PX, fit_synthesis, quantise, set_components
from tests.edge.films import texture

LAYOUT = ("frame", "frame", "frame", "flow")
FRAMES = np.stack([texture(seed, 60, 80) for seed in range(3)])
PATH = Path("clips/walk-1.mp4")


def tiles(grid: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [part for row in np.split(grid, 2) for part in np.split(row, 2, axis=1)]


def test_the_first_view_is_the_segment_as_it_is() -> None:
    seen = Views(32, LAYOUT).of(FRAMES, "a dog on the left", PATH, None)
    assert (seen.text, seen.source, seen.grid.shape) == ("a dog on the left", "walk", (64, 64, 3))


def test_some_views_have_their_frames_and_not_their_flow_coded() -> None:
    def inverted(pictures: NDArray[np.uint8], _: np.random.Generator) -> NDArray[np.uint8]:
        assert pictures.shape == (3, 32, 32, 3)
        return 255 - pictures

    coded = 0
    for seed in range(40):
        ours = Views(32, LAYOUT, inverted).of(FRAMES, "a dog", PATH, np.random.default_rng(seed))
        plain = Views(32, LAYOUT, lambda p, _: p).of(FRAMES, "a dog", PATH, np.random.default_rng(seed))
        *frames, flow = zip(tiles(ours.grid), tiles(plain.grid), strict=True)
        assert np.array_equal(*flow)
        changed = [np.array_equal(mine, 255 - other) for mine, other in frames]
        assert all(changed) or all(np.array_equal(*pair) for pair in frames)
        coded += all(changed)
    assert 8 <= coded <= 24


def test_mirrored_views_say_so() -> None:
    texts = {
        Views(32, LAYOUT).of(FRAMES, "a dog on the left", PATH, np.random.default_rng(seed)).text
        for seed in range(12)
    }
    assert texts == {"a dog on the left", "a dog on the right"}


def test_what_is_guessed_of_a_code_has_lost_the_fine_grain() -> None:
    grainy = np.random.default_rng(0).integers(0, 256, (2, 60, 80, 3), np.uint8)
    made = guessed(grainy, np.random.default_rng(0))
    assert made.shape == grainy.shape
    sharp, blurred = (np.abs(np.diff(each.astype(int), axis=2)).mean() for each in (grainy, made))
    assert blurred < sharp / 2


def test_the_code_that_was_trained_is_used(tmp_path: Path) -> None:
    assert TrainedCode.of(tmp_path) is None
    torch.manual_seed(0)
    codec = Codec()
    torch.save({"average": codec.state_dict()}, tmp_path / "appearance.pt")
    code = TrainedCode.of(tmp_path)
    assert code is not None
    assert code.mark == TrainedCode(codec).mark
    with torch.no_grad():
        codec.decoder.stem.weight.add_(1)
    assert TrainedCode(codec).mark != code.mark


@pytest.mark.parametrize("seeds", [(0, 0, 0), (0, 1, 2)])
def test_pictures_come_back_coded_in_their_size(seeds: tuple[int, ...]) -> None:
    pictures = np.stack([texture(seed, 40, 40) for seed in seeds])
    codec = Codec()
    seen = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    seen = functional.interpolate(seen, (IMAGE_PX, IMAGE_PX), mode="bilinear")
    set_components(codec.encoder, seen, 1.0)
    with torch.no_grad():
        fit_synthesis(codec.decoder, quantise(codec.encoder(seen)), seen)
    made = TrainedCode(codec)(pictures, np.random.default_rng(0))
    assert made.shape == pictures.shape
    apart = np.abs(made.astype(int)[:, None] - pictures[None]).mean((2, 3, 4))
    assert (apart.diagonal() < 30).all()
    assert apart.diagonal() == pytest.approx(apart.min(1))
