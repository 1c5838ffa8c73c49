"""The flow renderer: warping, times, sampling."""

import pytest
import torch

from models.tiny.renderer import (
    CHANNELS,
    CONDITIONS,
    GUIDE,
    KEY_PX,
    SIDE,
    WORDS,
    FlowDenoiser,
    sample,
    shifted,
    warp,
)


def test_warping_by_nothing_changes_nothing() -> None:
    picture = torch.rand(1, 3, 8, 12)
    assert torch.allclose(warp(picture, torch.zeros(1, 2, 8, 12)), picture, atol=1e-5)


def test_flow_points_to_where_a_pixel_comes_from() -> None:
    picture = torch.rand(1, 3, 8, 8)
    flow = torch.zeros(1, 2, 8, 8)
    flow[:, 0] = 2 / 8
    assert torch.allclose(warp(picture, flow)[..., :6], picture[..., 2:], atol=1e-5)


def test_times_are_moved_towards_the_noise() -> None:
    assert shifted(torch.tensor([0.0, 1.0])).tolist() == [0.0, 1.0]
    assert shifted(torch.tensor(0.5)).item() == pytest.approx(1 / 13)


def test_sampling_with_a_perfect_network_ends_at_its_answer() -> None:
    answer = torch.randn(1, CHANNELS, SIDE, SIDE)

    class Perfect(FlowDenoiser):
        def forward(self, *_: torch.Tensor) -> torch.Tensor:
            return answer

    made = sample(Perfect(8, channels=(8, 8, 8)), torch.randn_like(answer), *inputs(), steps=4)
    assert torch.equal(made, answer)


def test_caption_keyframes_guide_and_time_all_matter() -> None:
    torch.manual_seed(0)
    network = FlowDenoiser(16)
    for name, parameter in network.named_parameters():
        if "affine" in name:
            torch.nn.init.normal_(parameter, std=0.05)  # they start at zero, as residuals do
    noise = torch.randn(1, CHANNELS, SIDE, SIDE)
    given = inputs()
    with torch.inference_mode():
        usual = network(noise, torch.zeros(1), *given)
        for changed in range(4):
            other = list(given)
            other[changed] = given[changed] + 1
            assert not torch.allclose(network(noise, torch.zeros(1), *other), usual)
        assert not torch.allclose(network(noise, torch.ones(1), *given), usual)


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Keys, guide, conditions and words of one sample."""
    return (
        torch.zeros(1, 6, KEY_PX, KEY_PX), torch.zeros(1, GUIDE, SIDE, SIDE), torch.zeros(1, CONDITIONS),
        torch.ones(1, WORDS, dtype=torch.int64),
    )  # fmt: skip
