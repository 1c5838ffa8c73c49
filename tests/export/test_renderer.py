"""Training the renderer: it runs, gives the same for a seed, and is trusted no farther than it helps."""

from pathlib import Path

import pytest
import torch

from edge.motion import estimate_motion
from export.data.bank import Bank, Dice
from export.data.footage import Texture
from export.data.motion import synthetic_samples
from export.train.renderer import RendererTask, calibrate
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
