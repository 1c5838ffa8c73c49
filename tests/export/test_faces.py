"""dlib's network in torch: the same embeddings, and gradients."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="what is tested is written for it")
dlib = pytest.importorskip("dlib", reason="its own network is what is compared with")

from export.train.faces import CHIP_PX, FaceEmbedding  # noqa: E402 -- after the skip
from export.train.loop import TrainingError  # noqa: E402
from mirage.bench.privacy.embed import RECOGNITION, models  # noqa: E402
from tests.mirage.bench.quality.pictures import texture  # noqa: E402

WEIGHTS = models() / RECOGNITION


def test_it_embeds_as_dlib_does() -> None:
    chips = np.stack([texture(seed, side=CHIP_PX) for seed in range(3)])
    network = dlib.face_recognition_model_v1(str(WEIGHTS))
    wanted = np.stack([np.array(network.compute_face_descriptor(each)) for each in chips])
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    made = FaceEmbedding(WEIGHTS)(torch.from_numpy(chips).permute(0, 3, 1, 2).float() / 255)
    assert np.abs(made.numpy() - wanted).max() < 1e-5


def test_gradients_reach_the_picture_and_not_the_weights() -> None:
    network = FaceEmbedding(WEIGHTS)
    chips = torch.rand(1, 3, CHIP_PX, CHIP_PX, requires_grad=True)
    network(chips)[0, 0].backward()
    assert chips.grad is not None
    assert chips.grad.abs().sum() > 0
    assert not any(each.requires_grad for each in network.parameters())


@pytest.mark.parametrize("size", [0, 20_000, 1_000_000])
def test_a_file_that_is_cut_off_is_one_clear_line(tmp_path: Path, size: int) -> None:
    path = tmp_path / "cut.dat"
    path.write_bytes(WEIGHTS.read_bytes()[:size])
    with pytest.raises(TrainingError, match=r"cut.dat is not dlib's network for faces"):
        FaceEmbedding(path)
