"""Training the renderer: it runs, gives the same for a seed, and is trusted no farther than it helps."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import pixel_unshuffle

from edge.motion import estimate_motion
from export.data.bank import Bank, Dice
from export.data.footage import Texture
from export.data.motion import synthetic_samples
from export.data.scenes import draw
from export.train.renderer import RendererTask, as_coded, calibrate, finder_loss
from models.tiny.motion import KEY_PX, SIDE, Finder
from models.tiny.renderer import FlowDenoiser
from tests.export.conftest import CAPTIONS, texture
from wire.words import SIZE

CPU = torch.device("cpu")


def test_what_a_network_adds_is_not_trusted_where_it_harms() -> None:
    torch.manual_seed(0)
    bank = Bank.of([Texture(texture(seed), CAPTIONS[seed % 3]) for seed in range(4)], CPU)
    windows = synthetic_samples(bank, 12, Dice(0, CPU))
    windows.conditions[:, 3] = 1
    network = FlowDenoiser(SIZE, channels=(16, 16, 16))
    torch.nn.init.normal_(network.get_parameter("head.2.weight"), std=0.3)
    calibrate(network, windows)
    assert network.training
    assert network.trust[:4].tolist() == [0, 0, 0, 0]


def test_the_finder_learns_to_find_a_bright_object() -> None:
    torch.manual_seed(0)
    bank = Bank.of([Texture(texture(seed), CAPTIONS[seed % 3]) for seed in range(4)], CPU)
    bank = replace(bank, grounds=bank.grounds // 4, cutouts=255 - bank.cutouts // 4)
    finder = Finder((16, 16, 16))
    optimiser = torch.optim.Adam(finder.parameters(), 5e-3)
    for step in range(40):
        optimiser.zero_grad()
        finder_loss(finder, bank, 8, Dice(step, CPU)).backward()
        optimiser.step()
    scenes, start = draw(bank, 16, Dice(999, CPU), plain=0, one=1), torch.zeros(16)
    key = scenes.frames(start[:, None], KEY_PX)[:, 0]
    with torch.inference_mode():
        found = finder(pixel_unshuffle(key * 2 - 1, KEY_PX // SIDE), scenes.words())[:, 0] > 0
    wanted = scenes.described(start, SIDE) > 0
    assert (found & wanted).sum() > 0.6 * (found | wanted).sum()


def test_a_code_keeps_what_is_large_and_loses_what_is_fine() -> None:
    keys = torch.full((60, 6, KEY_PX, KEY_PX), 0.5)
    keys[:, :3] += torch.linspace(-0.4, 0.4, KEY_PX)
    keys[:, 3:, ::2] += 0.2
    coded = as_coded(keys, Dice(0, CPU))
    changed = (coded != keys).flatten(1).any(1)
    assert 30 <= changed.sum() <= 50  # two in three
    assert (coded - keys)[changed, :3, :, 4:-4].abs().mean() < 0.02
    assert coded[changed, 3:, 4:-4].std() < 0.03


@pytest.mark.slow
def test_the_same_seed_gives_the_same_loss(footage_folder: Path, tmp_path: Path) -> None:
    losses = []
    for _ in range(2):
        torch.manual_seed(0)
        task = RendererTask(footage_folder, tmp_path, estimate_motion, CPU, batch=4)
        loss, figures = task.loss(torch.Generator().manual_seed(3))
        loss.backward()
        losses.append(loss.item())
        assert set(figures) == {"flow", "photo", "mask", "match", "moves"}
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
