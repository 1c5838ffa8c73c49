"""`mirage bench governor`: its own arithmetic, and both policies on a real clip."""

from pathlib import Path

import numpy as np
import pytest

from edge.pipeline import Pipeline, Settings
from mirage.bench.governor import policies
from mirage.bench.governor.fit import Look, fitted
from mirage.bench.governor.reel import Reel
from mirage.bench.governor.run import choose
from mirage.bench.quality.clips import Clip, demo_paths
from wire.bundle import Bundle
from wire.packet import Layer


@pytest.fixture(scope="module")
def bundle(tiny: Path) -> Bundle:
    return Bundle.load(tiny)


@pytest.fixture(scope="module")
def reel(bundle: Bundle) -> Reel:
    """Two cameras, of which each sees a clip."""
    clips = tuple(Clip(path) for path in demo_paths()[:2])
    return Reel(clips, bundle, Pipeline(bundle, Settings()), 10.0, 2)


def test_an_overrun_is_what_any_stretch_of_time_exceeds() -> None:
    assert policies.overrun([], 10, 100) == 0
    assert policies.overrun([(0, 100), (5, 50), (10, 50)], 10, 100) == 0
    assert policies.overrun([(0, 50), (100, 100), (101, 20)], 10, 100) == 10


def test_cameras_are_played_side_by_side(reel: Reel) -> None:
    ends = [segment.start_ms + segment.duration_ms for _, segment in policies.played(reel, lambda: 2000)]
    assert ends == sorted(ends)
    assert {scene.lane for scene, _ in policies.played(reel, lambda: 2000)} == {0, 1}
    assert reel.duration_ms < sum(scene.duration_ms for scene in reel.scenes)


def test_the_governor_says_all_in_few_words_and_the_simple_policy_half(reel: Reel, bundle: Bundle) -> None:
    ours = policies.govern(reel, bundle.codec(), 8, 500)
    theirs = policies.simple(reel, bundle.codec(), 8, 500)
    for outcome in (ours, theirs):
        assert policies.overrun(outcome.spent, 500 / 8, policies.BURST_BYTES) == 0
    assert (ours.dropped, ours.left) == (0, 0)
    assert theirs.dropped > 0
    assert all(Layer.CAPTION in sent.packet.layers for sent in ours.packets)


def test_a_budget_that_suffices_changes_nothing(reel: Reel, bundle: Bundle) -> None:
    ours = policies.govern(reel, bundle.codec(), 8, 100_000)
    theirs = policies.simple(reel, bundle.codec(), 8, 100_000)
    assert [bytes(sent.packet) for sent in ours.packets] == [bytes(sent.packet) for sent in theirs.packets]


def test_numbers_are_fitted_within_moments() -> None:
    random = np.random.default_rng(0)
    looks = []
    for moment in range(30):
        base = random.random()
        for _ in range(6):
            depth, wrong = random.integers(4, 25, (8, 8)), random.random((8, 8)) * 0.9
            shares = [np.clip((depth - a) / (b - a), 0, 1).mean() for a, b in ((4, 8), (8, 12), (12, 24))]
            likeness = base + 0.04 * shares[0] + 0.02 * shares[1] + 0.01 * shares[2] - 0.03 * wrong.mean()
            looks.append(Look(("clip", moment), depth.astype(float), wrong, float(likeness)))
        looks.append(Look(("clip", moment), None, None, base - 0.25))
    found = fitted(looks)["fitted_points"]
    assert isinstance(found, dict)
    assert list(found.values()) == pytest.approx([0.04, 0.02, 0.01, -0.03, -0.25])


def test_scenes_of_a_folder_are_long_ones(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"nothing")
    assert {clip.path.parent for clip in choose(tmp_path, None)} == {demo_paths()[0].parent}
    assert len(choose(None, 1)) == 1
