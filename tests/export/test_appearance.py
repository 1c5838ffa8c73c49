"""Training of the appearance code: crops, depths, price."""

from pathlib import Path

import pytest
import torch

from export.train import appearance
from export.train.appearance import (
    AppearanceTask,
    Codec,
    DecoderTask,
    draw_depths,
    load_decoder,
    load_pictures,
    random_crops,
)
from export.train.loop import Plan, Run, TrainingError
from models.tiny.appearance import GRID, PICTURE_PX, PLANES


def test_depths_are_whole_or_prefixes_and_some_differ_between_cells() -> None:
    depths = draw_depths(400, torch.Generator().manual_seed(0))
    assert depths.shape == (400, GRID, GRID)
    assert depths.min().item() >= appearance.COARSE_PLANES
    assert depths.max().item() == PLANES
    whole = (depths == PLANES).all(2).all(1).float().mean().item()
    mixed = (depths.flatten(1).amax(1) != depths.flatten(1).amin(1)).float().mean().item()
    assert 0.25 < whole < 0.45
    assert 0.1 < mixed < 0.3


def test_crops_show_parts_of_the_picture_and_its_mirror_image() -> None:
    ramp = torch.linspace(0, 1, 64).expand(64, 3, 64, 64).contiguous()
    crops = random_crops(ramp, torch.Generator().manual_seed(0))
    spans = (crops[..., -1] - crops[..., 0]).mean((1, 2))
    assert spans.abs().min().item() > 0.65
    assert spans.abs().max().item() > 0.99
    assert {bool(span > 0) for span in spans} == {True, False}


def test_more_pictures_than_can_be_held_are_thinned_evenly(
    footage_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = load_pictures(footage_folder)
    assert everything.shape[1:] == (3, PICTURE_PX, PICTURE_PX)
    monkeypatch.setattr(appearance, "MOST_PICTURES", len(everything) - 1)
    assert torch.equal(load_pictures(footage_folder), everything[::2])


def test_the_price_rises_while_codes_are_too_large(
    footage_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for target, dearer in ((1.0, True), (1e6, False)):
        monkeypatch.setattr(appearance, "TARGET_BYTES", target)
        torch.manual_seed(0)
        task = AppearanceTask(footage_folder, torch.device("cpu"), batch=6)
        before = task.network.price.item()
        task.loss(torch.Generator().manual_seed(1))
        assert (task.network.price.item() > before) == dearer


def test_the_same_seed_gives_the_same_loss(footage_folder: Path) -> None:
    losses = []
    for _ in range(2):
        torch.manual_seed(0)
        task = AppearanceTask(footage_folder, torch.device("cpu"), batch=2)
        losses.append(task.loss(torch.Generator().manual_seed(1))[0].item())
    assert losses[0] == losses[1]


def test_a_decoder_trained_further_fits_its_encoder_and_no_other(
    footage_folder: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    codec = Codec()
    before = {name: value.clone() for name, value in codec.encoder.state_dict().items()}
    task = DecoderTask(codec, footage_folder, torch.device("cpu"), batch=2)
    Run(task, Plan(steps=1), tmp_path / "decoder.pt", resume=False).train()
    assert all(torch.equal(value, before[name]) for name, value in codec.encoder.state_dict().items())
    same = Codec()
    same.encoder.load_state_dict(before)
    load_decoder(tmp_path / "decoder.pt", same)
    trained = task.network.decoder.state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in same.decoder.state_dict().items())
    with pytest.raises(TrainingError, match="belongs to another encoder"):
        load_decoder(tmp_path / "decoder.pt", Codec())


def test_without_a_decoder_trained_further_the_code_keeps_its_own(tmp_path: Path) -> None:
    codec = Codec()
    before = codec.decoder.stem.weight.clone()
    load_decoder(tmp_path / "decoder.pt", codec)
    assert torch.equal(codec.decoder.stem.weight, before)
