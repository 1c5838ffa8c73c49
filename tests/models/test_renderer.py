"""The flow renderer: warping, times, sampling, and what is known without learning."""

import pytest
import torch
from torch import Tensor

from models.tiny.motion import FLOW_SCALE, FRAMES, KEY_PX, SIDE, Finder, between, commanded, located, warp
from models.tiny.renderer import CHANNELS, CONDITIONS, GUIDE, WORDS, FlowDenoiser, sample, shifted
from wire.field import guide
from wire.motion import CameraMotion, Motion
from wire.words import read_words


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
        def forward(self, *_: Tensor) -> Tensor:
            return answer

    made = sample(Perfect(8, channels=(8, 8, 8)), torch.randn_like(answer), *inputs(), steps=4)
    assert torch.equal(made, answer)


def test_caption_keyframes_guide_and_time_all_matter() -> None:
    network = stirred()
    noise = torch.randn(1, CHANNELS, SIDE, SIDE)
    given = inputs()
    with torch.inference_mode():
        usual = network(noise, torch.zeros(1), *given)
        for changed in range(4):
            other = list(given)
            other[changed] = given[changed] + 1
            assert not torch.allclose(network(noise, torch.zeros(1), *other), usual)
        assert not torch.allclose(network(noise, torch.ones(1), *given), usual)


def test_an_untrained_network_gives_the_motion_layers_own_field() -> None:
    torch.manual_seed(0)
    fields = torch.randn(1, GUIDE, SIDE, SIDE)
    keys, _, conditions, words = inputs(first=0.2)
    noise = torch.randn(1, CHANNELS, SIDE, SIDE)
    made = FlowDenoiser(16)(noise, torch.zeros(1), keys, fields, conditions, words)
    flows = made.unflatten(1, (FRAMES, 5))[:, :, :2]
    assert torch.allclose(flows, fields.unflatten(1, (FRAMES, 4))[:, :, :2], atol=1e-5)


def test_the_frame_at_a_keyframes_time_is_the_keyframe() -> None:
    first = 2 / (FRAMES - 1)
    fields = guide(Motion(CameraMotion(pan_x=0.3)), FRAMES, (first, 1.0), SIDE, FLOW_SCALE)
    keys, _, conditions, words = inputs(first=first, follows=True)
    noise = torch.randn(1, CHANNELS, SIDE, SIDE)
    told = torch.from_numpy(fields).reshape(1, GUIDE, SIDE, SIDE)
    with torch.no_grad():
        network = stirred(gate=False)
        made = network(noise, torch.zeros(1), keys, told, conditions, words).unflatten(1, (FRAMES, 5))
    assert made[0, 2, :2].abs().max() < 1e-4
    assert made[0, -1, 2:4].abs().max() < 1e-4
    assert made[0, 4, :2].abs().max() > 0.1


def test_a_segment_begins_with_its_keyframe_and_ends_with_the_next() -> None:
    keys, fields, conditions, words = inputs(first=0.1, follows=True)
    noise = torch.randn(1, CHANNELS, SIDE, SIDE)
    with torch.no_grad():
        blend = stirred()(noise, torch.zeros(1), keys, fields, conditions, words)
        blend = blend.unflatten(1, (FRAMES, 5))[0, :, 4]
        conditions[:, 2] = 0
        alone = stirred()(noise, torch.zeros(1), keys, fields, conditions, words)
    assert (blend[0] == -1).all()
    assert (blend[-1] == 1).all()
    assert blend[3].std() > 0
    assert (alone.unflatten(1, (FRAMES, 5))[0, :, 4] == -1).all()


def test_a_commanded_camera_moves_as_the_motion_layer_would_say() -> None:
    motion = Motion(CameraMotion(0.2, -0.1, 0.5, 9.0))
    moves = torch.tensor([[0.2, -0.1, 0.5, 0.1, 0, 0]])  # roll in quarter turns
    conditions = torch.tensor([[0.1, 1.2, 1.0, 0.0]])
    made = commanded(moves, torch.zeros(1, 1, SIDE, SIDE), conditions)[0]
    wanted = guide(motion, FRAMES, (0.1, 1.2), SIDE, FLOW_SCALE)
    assert torch.allclose(made, torch.from_numpy(wanted), atol=1e-3)


def test_a_commanded_object_takes_its_mask_along() -> None:
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 12:20, 4:12] = 1
    moves = torch.tensor([[0, 0, 0, 0, 0.5, 0]])
    made = commanded(moves, mask, torch.tensor([[0.0, 1.0, 0.0, 0.0]]))[0] / FLOW_SCALE
    assert made[-1, 0, 16, 24].item() == pytest.approx(-0.5, abs=1e-3)  # the object, half a frame farther
    assert abs(made[-1, 0, 16, 8].item()) < 1e-3  # where it was
    assert not made[:, 2:].any()


def test_what_is_found_moves_with_its_doubtful_parts_and_only_if_it_is_said_to() -> None:
    logits = torch.full((2, 1, SIDE, SIDE), -6.0)
    logits[..., 12:20, 4:12] = 4
    logits[..., 20, 4:12] = -0.5
    moves = torch.tensor([[0.3, 0, 0, 0, 0.2, 0], [0.3, 0, 0, 0, 0.02, 0]])  # the second is a misreading
    where = located(logits, moves)
    assert where[0, 0, 16, 8] > 0.9
    assert where[0, 0, 20, 8] > 0.8
    assert where[0, 0, 2, 2] < 0.01
    assert not where[1].any()
    assert located(logits - 9, moves).max() < 0.1  # a guess that is hardly believed


def test_where_an_object_is_found_depends_on_picture_and_words() -> None:
    torch.manual_seed(0)
    finder = Finder((8, 8, 8)).eval()
    pictures = torch.rand(2, 12, SIDE, SIDE)
    words = torch.tensor([read_words("a small piece moves left", WORDS)] * 2)
    others = torch.tensor([read_words("a small piece moves right", WORDS)] * 2)
    with torch.inference_mode():
        logits = finder(pictures, words)
        assert logits.shape == (2, 1, SIDE, SIDE)
        assert not torch.allclose(logits[0], logits[1])
        assert not torch.allclose(finder(pictures, others), logits)


def test_the_denoiser_moves_what_is_found_and_nothing_if_no_object_is_said_to() -> None:
    torch.manual_seed(0)
    network = FlowDenoiser(16).eval()
    for parameter in (*network.commander.out[2].parameters(), *network.finder.out.parameters()):
        torch.nn.init.zeros_(parameter)
    keys, fields, conditions, words = inputs()
    conditions[:, 3] = 0
    noise = torch.randn(1, CHANNELS, SIDE, SIDE)
    with torch.inference_mode():
        rests = network(noise, torch.zeros(1), keys, fields, conditions, words)
        network.get_parameter("commander.out.2.bias")[4] = 0.5
        network.get_parameter("finder.out.bias").fill_(9)
        moves = network(noise, torch.zeros(1), keys, fields, conditions, words)
    assert rests.unflatten(1, (FRAMES, 5))[:, :, :4].abs().max() < 1e-5
    last = moves.unflatten(1, (FRAMES, 5))[0, -1, :2] / FLOW_SCALE
    assert last[0].mean().item() == pytest.approx(-0.5, abs=0.01)
    assert last[1].abs().max() < 1e-5


def test_even_motion_lies_between_keyframes_that_match() -> None:
    match = torch.zeros(1, 4, SIDE, SIDE)
    match[:, 0], match[:, 2] = 0.3, -0.3
    made = between(match, torch.tensor([[0.0, 1.0, 1.0, 0.0]]))[0, :, :, 0, 0] / FLOW_SCALE
    assert torch.allclose(made[:, 0], -0.3 * torch.linspace(0, 1, FRAMES), atol=1e-5)
    assert torch.allclose(made[:, 2], 0.3 * (1 - torch.linspace(0, 1, FRAMES)), atol=1e-5)


def stirred(*, gate: bool = True) -> FlowDenoiser:
    """Make a network whose residuals are not zero any more."""
    torch.manual_seed(0)
    network = FlowDenoiser(16).eval()
    for name, parameter in network.named_parameters():
        if "affine" in name or "head.2" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    if not gate:
        bias = network.get_parameter("head.2.bias")
        bias.data[CHANNELS : CHANNELS + FRAMES] = -50
    return network


def inputs(*, first: float = 0.0, follows: bool = False) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Keys, guide, conditions and words of one sample."""
    conditions = torch.zeros(1, CONDITIONS)
    conditions[0] = torch.tensor([first, 1.0, float(follows), 1.0])
    return (
        torch.rand(1, 6, KEY_PX, KEY_PX, generator=torch.Generator().manual_seed(1)),
        torch.zeros(1, GUIDE, SIDE, SIDE), conditions, torch.ones(1, WORDS, dtype=torch.int64),
    )  # fmt: skip
