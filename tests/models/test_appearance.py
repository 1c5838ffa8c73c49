"""The appearance code: levels, prefixes, gradients."""

import pytest
import torch
from torch.nn import functional

from models.tiny.appearance import (
    GRID,
    IMAGE_PX,
    LEVELS,
    PATCH_PX,
    PICTURE_PX,
    PLANES,
    AppearanceDecoder,
    AppearanceEncoder,
    fit_synthesis,
    from_tokens,
    keep_planes,
    quantise,
    set_components,
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


def test_each_cell_may_have_a_depth_of_its_own() -> None:
    depth = torch.tensor([[[0, 3], [PLANES, 1]]])
    kept = keep_planes(torch.ones(1, PLANES, 2, 2), depth)
    assert torch.equal(kept.sum(1).long(), depth)


def test_what_is_not_known_is_the_middle_level() -> None:
    assert from_tokens(torch.tensor(LEVELS // 2)).item() == 0


def test_encoder_and_decoder_have_the_documented_shapes() -> None:
    picture = torch.rand(2, 3, IMAGE_PX, IMAGE_PX)
    with torch.inference_mode():
        code = AppearanceEncoder()(picture)
        made = AppearanceDecoder()(code)
    assert code.shape == (2, PLANES, GRID, GRID)
    assert code.abs().max().item() <= 1
    assert made.shape == (2, 3, PICTURE_PX, PICTURE_PX)


def test_untrained_the_code_is_linear_and_pictures_of_few_components_come_back() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = torch.rand((6, 3, PATCH_PX, PATCH_PX), generator=generator) - 0.5
    amounts = torch.rand((40, 6, GRID, GRID), generator=generator) - 0.5
    pictures = 0.5 + 0.6 * functional.conv_transpose2d(amounts, shapes, stride=PATCH_PX)
    assert pictures.std().item() > 0.1
    encoder, decoder = AppearanceEncoder(), AppearanceDecoder()
    with torch.inference_mode():
        set_components(encoder, pictures, step=0.01)
        code = quantise(encoder(pictures))
        fit_synthesis(decoder, code, pictures)
        again = decoder.linear(code) * 0.5 + 0.5
        made = functional.avg_pool2d(decoder(code), PICTURE_PX // IMAGE_PX)
    assert code[:, 7:].abs().max().item() == 0  # six components and the mean
    assert (again - pictures).square().mean().sqrt().item() < 0.02
    assert (made - again).square().mean().sqrt().item() < 0.1  # blurred on its way to the larger size


def test_the_linear_decoder_looks_at_neighbours() -> None:
    """Of pictures whose cells repeat their left neighbours, half a code is enough."""
    generator = torch.Generator().manual_seed(0)
    columns = torch.rand((60, 3, GRID, GRID // 2), generator=generator).repeat_interleave(2, dim=3)
    pictures = functional.interpolate(columns, scale_factor=PATCH_PX, mode="nearest")
    encoder, decoder = AppearanceEncoder(), AppearanceDecoder()
    with torch.inference_mode():
        set_components(encoder, pictures, step=0.01)
        code = quantise(encoder(pictures))
        code[..., 1::2] = 0
        fit_synthesis(decoder, code, pictures)
        again = decoder.linear(code) * 0.5 + 0.5
    assert (again - pictures).square().mean().sqrt().item() < 0.05
