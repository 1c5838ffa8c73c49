"""The cloud describes pictures as devices do, to the token."""

from pathlib import Path

import numpy as np
import pytest

from cloud.confidence.encoder import TokenEncoder, VectorEncoder
from edge.appearance import AppearanceEncoder
from edge.embedding import EmbeddingEncoder
from edge.runtime import Runtime
from tests.cloud.confidence.pictures import embedding_bundle, pictures, receiver_half
from wire.bundle import Bundle, BundleError


@pytest.mark.parametrize("size", [(40, 90), (128, 128), (360, 640)])
def test_tokens_are_those_of_the_device(tiny: Path, size: tuple[int, int]) -> None:
    picture = np.random.default_rng(1).integers(0, 255, (*size, 3), np.uint8)
    device = AppearanceEncoder(Bundle.load(tiny, "edge"), Runtime(1))
    cloud = TokenEncoder(Bundle.load(tiny, "cloud"))
    np.testing.assert_array_equal(cloud.encode(picture), device.encode(picture))


@pytest.mark.parametrize("size", [(12, 12), (90, 40), (360, 640)])
def test_embeddings_are_those_of_the_device(tmp_path: Path, size: tuple[int, int]) -> None:
    picture = np.random.default_rng(1).integers(0, 255, (*size, 3), np.uint8)
    bundle = embedding_bundle(tmp_path)
    device = EmbeddingEncoder(Bundle.load(bundle.root, "edge"), Runtime(1))
    np.testing.assert_array_equal(VectorEncoder(bundle).encode(picture), device.encode(picture))


def test_without_the_senders_file_there_is_no_encoder(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"appearance_encoder\.onnx: No such file"):
        TokenEncoder(receiver_half(tiny, tmp_path / "half"))


def test_a_senders_file_that_is_another_is_not_used(tiny: Path, tmp_path: Path) -> None:
    half = receiver_half(tiny, tmp_path / "half")
    (half.root / "sender").mkdir()
    (half.root / "sender/appearance_encoder.onnx").write_bytes(b"another")
    with pytest.raises(BundleError, match="SHA-256"):
        TokenEncoder(half)


def test_a_bundle_without_an_embedding_has_no_such_encoder(tiny: Path) -> None:
    with pytest.raises(BundleError, match=r"no \[vector\]"):
        VectorEncoder(Bundle.load(tiny, "cloud"))


def test_the_scenes_of_these_tests_are_told_apart(tiny: Path) -> None:
    encoder = TokenEncoder(Bundle.load(tiny, "cloud"))
    codes = {encoder.encode(picture).tobytes() for picture in pictures(tiny)}
    assert len(codes) == 4
