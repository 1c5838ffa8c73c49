"""Embeddings: nearly what they were, small, and no other bytes are taken for one."""

import numpy as np
import pytest
from numpy.typing import NDArray

from export.tables import vector_tables
from wire.vector import LIMIT, VectorError, VectorModel

SIZE = 64


def embeddings(count: int, seed: int) -> NDArray[np.float32]:
    """Make embeddings (count, SIZE) with much in common, as those of pictures have, and uneven spread."""
    common = np.random.default_rng(0)
    mean, spread = common.normal(0, 1, SIZE), common.uniform(0.05, 1.5, SIZE)
    return (mean + spread * np.random.default_rng(seed).normal(0, 1, (count, SIZE))).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> VectorModel:
    return VectorModel.from_arrays(vector_tables(embeddings(200, 1)))


def test_an_embedding_comes_back_nearly_as_it_was(model: VectorModel) -> None:
    for values in embeddings(50, 2):
        vector = model.quantise(values)
        payload = model.encode(vector)
        seen = model.decode(payload)
        assert np.array_equal(seen, vector)
        back = model.dequantise(seen)
        assert float(values @ back / np.linalg.norm(values) / np.linalg.norm(back)) > 0.99


def test_it_takes_about_half_the_bytes_of_the_plain_vector(model: VectorModel) -> None:
    sizes = [len(model.encode(model.quantise(values))) for values in embeddings(50, 3)]
    assert np.mean(sizes) < 0.55 * SIZE


def test_what_is_far_beyond_the_training_is_clipped(model: VectorModel) -> None:
    vector = model.quantise(np.full(SIZE, 1e6, np.float32))
    assert (vector == LIMIT).all()
    assert np.array_equal(model.decode(model.encode(vector)), vector)


def test_few_samples_make_usable_steps() -> None:
    values = embeddings(2, 4)
    values[:, 0] = 1.0  # never changes, so its own deviation is 0
    tables = vector_tables(values)
    assert np.asarray(tables["step"], np.float32).min() > 0
    VectorModel.from_arrays(tables)


def read(model: VectorModel, payload: bytes) -> NDArray[np.int8] | None:
    """Read a vector; None where the bytes are none."""
    try:
        return model.decode(payload)
    except VectorError:
        return None


def test_every_prefix_is_refused_or_another_vector(model: VectorModel) -> None:
    vector = model.quantise(embeddings(1, 5)[0])
    payload = model.encode(vector)
    for length in range(len(payload)):
        seen = read(model, payload[:length])
        assert seen is None or not np.array_equal(seen, vector)


def test_bytes_behind_the_vector_are_refused(model: VectorModel) -> None:
    payload = model.encode(model.quantise(embeddings(1, 6)[0]))
    with pytest.raises(VectorError, match="vector"):
        model.decode(payload + b"\x01\x02\x03\x04\x05\x06\x07\x08")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(SIZE - 1, np.float32), r"shape \(63,\), expected \(64,\)"),
        (np.full(SIZE, np.nan, np.float32), "all finite"),
    ],
)
def test_what_is_no_embedding_is_refused(
    model: VectorModel, values: NDArray[np.float32], message: str
) -> None:
    with pytest.raises(VectorError, match=message):
        model.quantise(values)


def test_a_vector_of_another_size_cannot_be_sent(model: VectorModel) -> None:
    with pytest.raises(VectorError, match=r"int8 \(3,\), expected int8 \(64,\)"):
        model.encode(np.zeros(3, np.int8))


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("mean", None, "incomplete"),
        ("step", np.zeros(SIZE), "a step of 0"),
        ("step", np.ones(SIZE - 1), r"steps \(63,\)"),
        ("frequencies", np.ones(255), "sum 255"),
    ],
)
def test_tables_that_cannot_code_are_refused(
    name: str, array: NDArray[np.float64] | None, message: str
) -> None:
    tables = vector_tables(embeddings(10, 7))
    if array is None:
        del tables[name]
    else:
        tables[name] = array
    with pytest.raises(VectorError, match=message):
        VectorModel.from_arrays(tables)
