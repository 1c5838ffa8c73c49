"""Golden files: what is written down is what a graph is later held against."""

import numpy as np
import pytest

from export.golden import GoldenWriter, Shown
from wire.golden import Golden, Sample

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)


def test_pictures_are_kept_small_and_fed_as_they_were_shown() -> None:
    shown = Shown.of(PICTURES, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    assert shown.stored.shape == (3, 4, 4, 3)
    assert shown.pixels.shape == (3, 3, 8, 8)
    writer = GoldenWriter()
    samples = [
        Sample({"x": pixels[None], "n": np.array([number])}, {"y": np.array([[number]])})
        for number, pixels in enumerate(shown.pixels)
    ]
    writer.add("a.onnx", samples, shown, "x")
    read = Golden(writer.arrays).samples("a.onnx")
    for number, sample in enumerate(read):
        assert np.array_equal(sample.feeds["x"][0], shown.pixels[number])
        assert sample.feeds["n"].tolist() == [number]
        assert sample.agreement({"y": np.array([[number]])}).equal == 1
    assert writer.arrays["a.onnx|in|x"].dtype == np.uint8


def test_pictures_of_an_odd_side_are_kept_whole() -> None:
    odd = PICTURES[:, :7, :7]
    assert np.array_equal(Shown.of(odd).stored, odd)


@pytest.mark.parametrize("changed", [False, True])
def test_of_a_large_output_a_part_is_kept(*, changed: bool) -> None:
    values = np.random.default_rng(1).normal(size=(1, 100, 100)).astype(np.float32)
    writer = GoldenWriter()
    writer.add("a.onnx", [Sample({"x": np.zeros((1, 1))}, {"y": values})])
    assert writer.arrays["a.onnx|out|y"].shape == (1, 4096)
    sample = Golden(writer.arrays).samples("a.onnx")[0]
    found = sample.agreement({"y": values + changed})
    assert (found.max_abs_error > 0.9) == changed


def test_of_a_graph_with_large_inputs_few_samples_are_kept() -> None:
    writer = GoldenWriter()
    large = Sample({"x": np.zeros((1, 1 << 21), np.float32)}, {"y": np.zeros((1, 1))})
    writer.add("a.onnx", [large] * 5)
    assert len(Golden(writer.arrays).samples("a.onnx")) == 2


def test_captions_of_unequal_length_come_back() -> None:
    writer = GoldenWriter()
    writer.add_captions(Shown.of(PICTURES), [[4, 5], [], [6]])
    golden = Golden(writer.arrays)
    assert golden.tokens() == [[4, 5], [], [6]]
    assert golden.grids().shape == PICTURES.shape
