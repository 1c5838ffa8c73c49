"""What segments say of an embedding: it is sent where it says something new, and else holds."""

from dataclasses import replace

import numpy as np
import pytest

from export.tables import vector_tables
from tests.wire.segments import FIRST, NEXT, carry
from wire.packet import Layer, PacketError
from wire.segment import Codec
from wire.text import TextModel
from wire.tokens import TokenModel
from wire.vector import VectorModel

VALUES = np.random.default_rng(8).normal(1, 1, (20, 32)).astype(np.float32)
MODEL = VectorModel.from_arrays(vector_tables(VALUES))
ONE, OTHER = MODEL.quantise(VALUES[0]), MODEL.quantise(VALUES[1])
NEARLY = MODEL.quantise(VALUES[0] + np.float32(0.05))


@pytest.fixture(scope="module")
def vectors(text_model: TextModel, token_model: TokenModel) -> Codec:
    return Codec(text_model, token_model, MODEL, hold=0.95)


def test_a_vector_travels(vectors: Codec) -> None:
    packet = carry(vectors, replace(FIRST, vector=ONE), None)
    seen = vectors.resolve(packet, None).vector
    assert seen is not None
    assert np.array_equal(seen, ONE)


def test_one_that_is_nearly_the_same_holds(vectors: Codec) -> None:
    seen = vectors.resolve(carry(vectors, replace(FIRST, vector=ONE), None), None)
    packet = carry(vectors, replace(NEXT, vector=NEARLY), seen)
    assert Layer.APPEARANCE_VECTOR not in packet.layers
    held = vectors.resolve(packet, seen).vector
    assert held is not None
    assert np.array_equal(held, ONE)


@pytest.mark.parametrize(("vector", "cut"), [(OTHER, False), (NEARLY, True)])
def test_another_one_and_one_behind_a_cut_are_sent(
    vectors: Codec, vector: np.ndarray[tuple[int], np.dtype[np.int8]], *, cut: bool
) -> None:
    seen = vectors.resolve(carry(vectors, replace(FIRST, vector=ONE), None), None)
    packet = carry(vectors, replace(NEXT, vector=vector, cut=cut), seen)
    now = vectors.resolve(packet, seen).vector
    assert now is not None
    assert np.array_equal(now, vector)


def test_no_vector_holds_across_a_cut(vectors: Codec) -> None:
    seen = vectors.resolve(carry(vectors, replace(FIRST, vector=ONE), None), None)
    assert vectors.resolve(carry(vectors, replace(NEXT, cut=True), seen), seen).vector is None


def test_a_bundle_without_tables_neither_sends_nor_reads_one(vectors: Codec, codec: Codec) -> None:
    with pytest.raises(PacketError, match="no tables for it"):
        carry(codec, replace(FIRST, vector=ONE), None)
    packet = carry(vectors, replace(FIRST, vector=ONE), None)
    with pytest.raises(PacketError, match="has a vector, but none that can be read"):
        codec.resolve(packet, None)
