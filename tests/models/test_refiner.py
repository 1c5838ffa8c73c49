"""The refiner sees the same on both sides, and joins segments."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from cloud.render.refine import evidence
from models.tiny.motion import SIDE
from models.tiny.refiner import HINTS, PICTURE_PX, Refiner, composed
from models.tiny.renderer import WORDS


def picture(seed: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)
    large = cv2.resize(noise, (PICTURE_PX, PICTURE_PX), interpolation=cv2.INTER_CUBIC)
    return np.asarray(large, np.uint8)


def field(seed: int) -> NDArray[np.float32]:
    rough = np.random.default_rng(seed).normal(0, 0.15, (4, 4, 5)).astype(np.float32)
    made = cv2.resize(rough, (SIDE, SIDE)).transpose(2, 0, 1).copy()
    made[4] *= 5
    return np.asarray(made, np.float32)


def unit(*pictures: NDArray[np.uint8]) -> torch.Tensor:
    return torch.cat([torch.from_numpy(p.transpose(2, 0, 1).copy()).float() / 255 for p in pictures])[None]


def test_trainer_and_renderer_show_the_refiner_the_same() -> None:
    first, second = picture(0), picture(1)
    large = functional.interpolate(
        torch.from_numpy(field(2))[None], (PICTURE_PX, PICTURE_PX), mode="bilinear"
    )
    wanted = composed(large, unit(first, second))[0].numpy()
    assert np.abs(evidence(field(2), first, second) - wanted).mean() < 1e-4


def test_hints_tell_of_what_lies_outside_and_of_stretching() -> None:
    shifted = np.zeros((5, SIDE, SIDE), np.float32)
    shifted[0], shifted[4] = 0.25, -1
    shown = evidence(shifted, picture(0), None)
    assert not shown[3:6].any()
    assert shown[6, :, -1].min() > 0.9
    assert not shown[6, :, : PICTURE_PX // 2].any()
    grown = np.zeros((5, SIDE, SIDE), np.float32)
    grown[0], grown[4] = np.linspace(-0.1, 0.1, SIDE)[None], -1
    assert evidence(grown, picture(0), None)[7].mean() > 0.1


def test_the_end_of_a_segment_is_seen_like_the_beginning_of_the_next() -> None:
    still = np.zeros((5, SIDE, SIDE), np.float32)
    end, begin = still.copy(), still.copy()
    end[0], end[4], begin[2], begin[4] = 0.3, 1, -0.3, -1
    shared = picture(3)
    assert np.allclose(evidence(end, picture(1), shared), evidence(begin, shared, picture(2)), atol=1e-5)


def test_changes_have_the_pictures_size_and_depend_on_everything() -> None:
    torch.manual_seed(0)
    network = Refiner(64).eval()
    for name, parameter in network.named_parameters():
        if "affine" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    seen = torch.rand(2, 3 + HINTS, PICTURE_PX, PICTURE_PX)
    words = torch.ones(2, WORDS, dtype=torch.int64)
    with torch.inference_mode():
        change = network(seen, words)
        assert change.shape == seen[:, :3].shape
        assert not torch.allclose(network(seen, words * 2), change)
        seen[:, 6] += 1
        assert not torch.allclose(network(seen, words), change)
