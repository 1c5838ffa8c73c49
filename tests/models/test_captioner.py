"""The captioner's network: what is glanced at, which words are chosen, what the decoder is given."""

import pytest
import torch

from models.tiny.captioner import (
    CHOSEN,
    CLASSES,
    FEATURES,
    FLOW,
    SURE,
    TILE_PX,
    Glance,
    Tagger,
    build_captioner,
)


@pytest.fixture(scope="module")
def glance() -> Glance:
    torch.manual_seed(0)
    return Glance().eval()


def test_a_frame_counts_the_same_in_every_place_of_the_grid(glance: Glance) -> None:
    frames = torch.randn(3, 3, TILE_PX, TILE_PX, generator=torch.Generator().manual_seed(1))
    flow = torch.zeros(3, TILE_PX, TILE_PX)
    with torch.inference_mode():
        made = [
            glance(torch.cat([torch.cat([a, b], 2), torch.cat([c, flow], 2)], 1)[None])
            for a, b, c in (frames, frames.flip(0))
        ]
    for one, other in zip(*made, strict=True):
        assert torch.allclose(one, other, atol=1e-4)
    assert made[0][0].shape == (1, FEATURES)
    assert made[0][1].sum().item() == pytest.approx(1, abs=1e-4)


def test_only_the_last_tile_is_flow(glance: Glance) -> None:
    grid = torch.zeros(1, 3, 2 * TILE_PX, 2 * TILE_PX)
    grid[:, :, TILE_PX:, TILE_PX:] = 2.0
    with torch.inference_mode():
        _, _, flow = glance(grid)
    assert flow.shape == (1, FLOW)
    assert torch.equal(flow, torch.full((1, FLOW), 2.0))


def test_weights_of_another_network_are_refused(glance: Glance) -> None:
    weights = {name: value for name, value in glance.state_dict().items() if "classes" not in name}
    with pytest.raises(ValueError, match="tensors"):
        glance.load_imagenet(weights)


def test_a_class_speaks_for_its_words() -> None:
    tagger = Tagger(3)
    tagger.named[5] = torch.tensor([2, 1, 0])
    certain = torch.zeros(1, CLASSES)
    certain[0, 5] = 1
    odds = tagger(torch.zeros(1, FEATURES), certain, torch.zeros(1, FLOW))
    assert odds[0].sigmoid().tolist() == pytest.approx([SURE, SURE / 2, 0.5], abs=1e-4)


def test_the_decoder_sees_the_likeliest_words_alone() -> None:
    torch.manual_seed(0)
    encoder = build_captioner(20, 40).eval().encoder
    odds = torch.randn(1, 40) - 3
    odds[0, :CHOSEN] = torch.linspace(0, 2, CHOSEN)
    changed = odds.clone()
    changed[0, CHOSEN:] -= 1
    with torch.inference_mode():
        states = encoder.states(odds)
        assert states.shape == (1, CHOSEN, 192)
        assert torch.equal(states, encoder.states(changed))
        assert not torch.equal(states, encoder.states(odds.roll(1, 1)))
