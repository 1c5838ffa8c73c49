"""Synthetic motion: flow, words and numbers must be the truth about its frames."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from export.data.bank import Bank, Cutouts, Dice, blobs
from export.data.footage import Texture
from export.data.motion import guide_fields, quantised, synthetic_samples
from export.data.phrases import CAMERA_PHRASES, OBJECT_PHRASES, head_phrase
from export.data.scenes import Scenes, draw
from models.tiny.motion import FLOW_SCALE, FRAMES, SIDE, warp
from models.tiny.renderer import WORDS
from tests.export.conftest import CAPTIONS, texture
from wire.field import guide
from wire.motion import CameraMotion, Motion, ObjectMotion, quantise
from wire.words import WORD_SPEED, read_words

CPU = torch.device("cpu")
PX = 96


@pytest.fixture(scope="module")
def bank() -> Bank:
    return Bank.of([Texture(texture(seed, 160, 200), CAPTIONS[seed % 3]) for seed in range(6)], CPU)


def still_scenes(bank: Bank, count: int) -> Scenes:
    """Scenes in which nothing moves, to be changed by the tests."""
    zero = torch.zeros(count)
    window = torch.tensor([[0.6, 0.2, 0.2]]).repeat(count, 1)
    command = torch.ones(count, dtype=torch.bool)
    return Scenes(
        bank, torch.zeros(count, dtype=torch.int64), window, torch.complex(zero, zero), zero, zero,
        torch.zeros(count, 2, 2), torch.zeros(count, 2, 3), (), command,
        torch.zeros(count, 5, dtype=torch.int64),
    )  # fmt: skip


def moving_cutout(bank: Bank) -> Scenes:
    """One cut-out with a full mask that goes to the right."""
    full = replace(bank, masks=torch.ones_like(bank.masks))
    cutout = Cutouts(
        0, torch.tensor([1]), torch.tensor([0]), torch.tensor([0.3 + 0.5j]), torch.tensor([0.4 + 0j]),
        torch.zeros(1), torch.tensor([[0.3, 0.3]]), torch.zeros(1), torch.zeros(1),
        torch.tensor([[1.0, 0.0, 0.0]]),
    )  # fmt: skip
    return replace(still_scenes(full, 1), cutouts=(cutout,))


def eroded(seen: Tensor) -> Tensor:
    return 1 - torch.nn.functional.max_pool2d(1 - seen, 7, 1, 3)


def test_flow_carries_one_frame_onto_another(bank: Bank) -> None:
    scenes = draw(bank, 40, Dice(1, CPU))
    scenes = replace(scenes, light=torch.zeros_like(scenes.light))
    times = torch.tensor([[0.7, 0.2]]).repeat(40, 1)
    frame, key = scenes.frames(times, PX).unbind(1)
    flow, seen = scenes.flow(times[:, :1], times[:, 1], PX)
    inner = eroded(seen)[:, :1]
    error, held = (
        ((picture - frame).abs().mean(1) * inner[:, 0]).sum((1, 2)) / inner.sum((1, 2, 3)).clamp(min=1)
        for picture in (warp(key, flow[:, 0]), key)
    )
    assert (error < (0.35 * held).clamp(min=0.016)).all()


def test_the_same_seed_draws_the_same_scenes(bank: Bank) -> None:
    first, second, other = (draw(bank, 12, Dice(seed, CPU)) for seed in (5, 5, 6))
    times = torch.zeros(12, 1)
    assert first.captions() == second.captions() != other.captions()
    assert torch.equal(first.frames(times, 32), second.frames(times, 32))


def test_word_ids_are_those_of_the_captions(bank: Bank) -> None:
    scenes = draw(bank, 200, Dice(2, CPU))
    assert scenes.words().tolist() == [read_words(caption, WORDS) for caption in scenes.captions()]


def test_commands_move_as_far_as_their_words_stand_for(bank: Bank) -> None:
    scenes = draw(bank, 600, Dice(3, CPU))
    speeds = {
        phrase.rpartition(" ")[2]: scenes.pan.abs()[scenes.command & (scenes.phrases[:, 0] == number)]
        for number, phrase in enumerate(CAMERA_PHRASES)
        if phrase.startswith("camera pans right") and phrase.count(" ") == 3
    }
    assert set(speeds) == {"slowly", "quickly"}
    for word, speed in speeds.items():
        assert len(speed) > 3
        assert speed.mean().item() == pytest.approx(WORD_SPEED[word], rel=0.1)


@pytest.mark.parametrize(
    ("number", "right", "down"), [(0, 1, 0), (3, 0, 1), (6, -1, 0), (9, 0, -1)]
)  # in steps of three speeds: content slides right, down, left, up
def test_pans_and_tilts_are_named_after_the_camera(bank: Bank, number: int, right: int, down: int) -> None:
    scenes = draw(bank, 800, Dice(4, CPU))
    rows = scenes.command & (scenes.phrases[:, 0] // 3 == number // 3)
    assert rows.any()
    assert (
        CAMERA_PHRASES[number]
        == ["camera pans left", "camera tilts up", "camera pans right", "camera tilts down"][number // 3]
    )
    heading = scenes.pan[rows] / scenes.pan[rows].abs()
    assert torch.allclose(torch.view_as_real(heading), torch.tensor([right, down]).float(), atol=1e-4)


def test_objects_go_where_their_phrases_say(bank: Bank) -> None:
    scenes = draw(bank, 400, Dice(8, CPU))
    cutout = scenes.cutouts[0]
    for way, phrase in zip(cutout.way.tolist(), scenes.phrases[cutout.first :, 2].tolist(), strict=True):
        words = OBJECT_PHRASES[phrase].split()
        assert ("right" in words) == (way.real > 0.4 * abs(way))
        assert ("up" in words) == (way.imag < -0.4 * abs(way))


def test_a_cutout_hides_what_is_behind_it(bank: Bank) -> None:
    _, seen = moving_cutout(bank).flow(torch.ones(1, 1), torch.zeros(1), 32)
    assert seen[0, 0, 16, 9] == 0  # uncovered at the end, behind the cut-out at the start
    assert seen[0, 0, 16, 22] == 1  # the cut-out itself
    assert seen[0, 0, 2, 2] == 1


def test_the_described_object_is_where_it_is_seen(bank: Bank) -> None:
    scenes = moving_cutout(bank)
    assert scenes.described(torch.zeros(1), 32)[0, 16, 9] == 1
    assert scenes.described(torch.ones(1), 32)[0, 16, 9] == 0
    assert scenes.moves()[0].tolist() == pytest.approx([0, 0, 0, 0, 0.4, 0])


def test_a_cutout_shows_a_part_of_its_photograph(bank: Bank) -> None:
    halves = torch.zeros_like(bank.cutouts)
    halves[:, 0, :, :32] = 255  # red on the left, blue on the right
    halves[:, 2, :, 32:] = 255
    scenes = moving_cutout(replace(bank, cutouts=halves))
    (cutout,) = scenes.cutouts
    right = replace(scenes, cutouts=(replace(cutout, part=torch.tensor([[0.4, 0.6, 0.3]])),))
    whole, part = (each.frames(torch.zeros(1, 1), 32)[0, 0, :, 16, 5:14] for each in (scenes, right))
    assert (whole[0, :3] > 0.99).all()
    assert (part[0] == 0).all()
    assert (part[2] > 0.99).all()


def test_every_scene_moves_an_object_where_that_is_asked(bank: Bank) -> None:
    scenes = draw(bank, 20, Dice(1, CPU), plain=0, one=0.8)
    assert [cutout.first for cutout in scenes.cutouts] == [0, 16]
    assert (scenes.moves()[:, 4:].norm(dim=1) > 0.01).all()


def test_shapes_of_cutouts_are_whole_and_differ(bank: Bank) -> None:
    shapes = blobs(Dice(0, CPU), 64)[:, 0]
    shares = shapes.mean((1, 2))
    assert shares.min() > 0.05
    assert shares.std() > 0.03
    assert (shapes[:, 32, 32] == 1).all()  # each holds its centre
    assert shapes[:, 0].max() == 0  # and none touches the border
    assert len(bank.masks) == 512


def test_the_guide_is_that_of_the_motion_layer() -> None:
    random = torch.Generator().manual_seed(0)
    for _ in range(6):
        camera = torch.randn(1, 4, generator=random) * torch.tensor([0.2, 0.2, 0.4, 8])
        boxes = torch.rand(1, 2, 6, generator=random) * torch.tensor([1, 1, 0.5, 0.5, 0.6, 0.6])
        first, second = torch.tensor([0.2]), torch.tensor([1.1])
        here = torch.tensor([[True, True]])
        made = guide_fields(*quantised(camera, boxes), here, first, second, first > 0)[0]
        objects = tuple(ObjectMotion(*box) for box in boxes[0].tolist())
        motion = quantise(Motion(CameraMotion(*camera[0].tolist()), objects))
        wanted = guide(motion, FRAMES, (first.item(), second.item()), SIDE, FLOW_SCALE)
        wrong = (made - torch.from_numpy(wanted)).abs() > 1e-3
        assert wrong.float().mean() < 0.005  # cells on the very edge of a box may fall on either side


def test_samples_hold_what_the_frames_are_made_of(bank: Bank) -> None:
    samples = synthetic_samples(bank, 24, Dice(7, CPU))
    told = samples.conditions[:, 3] > 0
    assert not samples.guide[~told].any()
    assert samples.frames.shape == (24, FRAMES, 3, 64, 64)
    alone = samples.conditions[:, 2] == 0
    keys = samples.keys.unflatten(1, (2, 3))
    assert torch.equal(keys[alone, 0], keys[alone, 1])
    assert (samples.clean.unflatten(1, (FRAMES, 5))[alone][:, :, 4] == -1).all()


def test_mirroring_mirrors_pictures_flow_and_numbers(bank: Bank) -> None:
    samples = synthetic_samples(bank, 6, Dice(9, CPU))
    rows = torch.tensor([True, False] * 3)
    mirror = samples.flipped(rows)
    assert torch.equal(mirror.frames[0], samples.frames[0].flip(-1))
    assert torch.equal(mirror.clean[1], samples.clean[1])
    assert torch.allclose(mirror.clean[0, 0], -samples.clean[0, 0].flip(-1))
    assert torch.allclose(mirror.clean[0, 1], samples.clean[0, 1].flip(-1))
    assert torch.equal(mirror.flipped(rows).frames, samples.frames)


@pytest.mark.parametrize(
    ("caption", "head"),
    [
        ("a red shirt on a wooden floor", "a red shirt"),
        ("a pile of green limes", "a pile"),
        ("fresh red apples", "fresh red apples"),
    ],
)
def test_an_object_is_called_by_what_its_caption_begins_with(caption: str, head: str) -> None:
    assert head_phrase(caption) == head
