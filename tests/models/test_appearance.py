"""The appearance code: levels, prefixes, gradients."""

import pytest
import torch

from models.tiny.appearance import (
    GRID,
    IMAGE_PX,
    LEVELS,
    PLANES,
    AppearanceDecoder,
    AppearanceEncoder,
    from_tokens,
    keep_planes,
    quantise,
    to_tokens,
)


def test_every_level_survives_the_round_trip() -> None:
    tokens = torch.arange(LEVELS).reshape(1, LEVELS, 1, 1)
    assert torch.equal(to_tokens(from_tokens(tokens)), tokens)


def test_codes_at_the_ends_stay_within_the_levels() -> None:
    assert to_tokens(torch.tensor([-1.0, 1.0])).tolist() == [0, LEVELS - 1]


def test_quantising_moves_by_half_a_level_at_most_and_lets_gradients_through() -> None:
    code = torch.linspace(-1, 1, 101, requires_grad=True)
    made = quantise(code)
    assert (made - code).abs().max().item() <= 1 / (LEVELS - 1) + 1e-6
    made.sum().backward()
    assert code.grad is not None
    assert torch.equal(code.grad, torch.ones(101))


@pytest.mark.parametrize("count", [0, 4, PLANES])
def test_kept_planes_are_a_prefix(count: int) -> None:
    kept = keep_planes(torch.ones(1, PLANES, 2, 2), torch.tensor([count]))
    assert kept[0, :count].eq(1).all()
    assert kept[0, count:].eq(0).all()


def test_no_level_is_the_mark_of_an_absent_plane() -> None:
    assert from_tokens(torch.arange(LEVELS)).abs().min().item() > 0.1


def test_encoder_and_decoder_have_the_documented_shapes() -> None:
    picture = torch.rand(2, 3, IMAGE_PX, IMAGE_PX)
    with torch.inference_mode():
        code = AppearanceEncoder()(picture)
        made = AppearanceDecoder()(code)
    assert code.shape == (2, PLANES, GRID, GRID)
    assert code.abs().max().item() <= 1
    assert made.shape == picture.shape
