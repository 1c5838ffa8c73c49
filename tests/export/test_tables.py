"""Tables: sums that fit, whatever they were counted from."""

import numpy as np
import pytest

from export.lexicon import lexicon
from export.tables import text_tables, token_tables, word_classes
from tests.wire.sample import CAPTIONS, smooth_tokens
from wire.ngram import UNIT
from wire.planes import TOTAL
from wire.text import TextModel
from wire.tokens import TokenModel


def test_the_lexicon_knows_words_in_all_their_forms() -> None:
    known = lexicon()
    forms = "dog dogs women leaves watches carries carrying carried running ran lying taken"
    assert set(forms.split()) <= known.keys()
    assert known["dog"] == known["rabbit"] != known["dogs"]
    assert known["runs"] == known["jumps"]
    assert known["running"] == known["jumping"]


def test_an_unknown_word_joins_the_class_of_its_neighbours() -> None:
    sentences = [f"a {noun} runs to the left".split() for noun in ("dog", "cat", "fox", "gnu")]
    assert word_classes(sentences, lexicon())["gnu"] == lexicon()["dog"]


def test_every_context_hands_out_all_of_its_mass() -> None:
    tables = text_tables(CAPTIONS)
    for prefix, lengths in (("class", range(4)), ("word", range(1, 3)), ("spelling", range(6))):
        for length in lengths:
            name = f"{prefix}{length}_"
            given = np.add.reduceat(
                tables[name + "adds"].astype(int), tables[name + "offsets"][:-1].astype(int)
            )
            assert (given + tables[name + "keeps"] <= UNIT).all()
            assert (given + tables[name + "keeps"] >= UNIT - 1).all()


@pytest.mark.parametrize("captions", [[], [""], ["x"], ["a dog"], ["ünïcode wörds", "🎉"]])
def test_text_tables_of_next_to_nothing_work(captions: list[str]) -> None:
    model = TextModel.from_arrays(text_tables(captions))
    for text in ("a dog runs", "ünïcode 🎉", *captions):
        assert model.decode(model.encode(text)) == text


def test_text_tables_are_the_same_each_time() -> None:
    first, second = text_tables(CAPTIONS), text_tables(CAPTIONS)
    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("count", [1, 40])
def test_token_tables_add_up_and_leave_nothing_impossible(count: int) -> None:
    tables = token_tables(smooth_tokens(count, seed=5), levels=8, coarse_planes=2)
    for plane in range(6):
        frequencies = tables[f"alone{plane}_frequencies"].astype(int)
        assert (frequencies >= 1).all()
        assert (frequencies.sum(axis=-1) == TOTAL).all()
        assert (np.diff(tables[f"alone{plane}_bins"].astype(int)) >= 0).all()
    assert TokenModel.from_arrays(tables).planes == 6


def test_token_tables_of_constant_planes_work() -> None:
    model = TokenModel.from_arrays(token_tables(np.full((3, 2, 4, 4), 5, np.uint8), 8, 1))
    other = np.arange(32, dtype=np.uint8).reshape(2, 4, 4) % 8
    coarse, detail = model.encode_coarse(other), model.encode_detail(other, 2)
    assert np.array_equal(model.decode_detail(detail, model.decode_coarse(coarse)), other)
