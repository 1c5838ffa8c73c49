"""Words that are looked for, sentences that are made of them, and what captions say of content."""

import numpy as np
import pytest

from export.data.captions import content
from export.grammar import Grammar
from export.lexicon import lemmas, lexicon
from export.tags import CLASSES, Tags, read_classes


def test_every_class_of_imagenet_has_a_word() -> None:
    classes = read_classes()
    assert sorted(classes) == list(range(CLASSES))
    assert all(2 in halves.values() for halves in classes.values())


@pytest.mark.parametrize(
    ("number", "word"),
    [(207, "dog"), (281, "cat"), (404, "airplane"), (779, "bus"), (805, "ball"), (954, "banana")],
)
def test_classes_are_called_what_they_are(number: int, word: str) -> None:
    tags = Tags.of([])
    assert tags.named[number, tags.words.index(word)] == 2


def test_inflected_words_are_found_by_their_base_form() -> None:
    bases = lemmas()
    pairs = {"dogs": "dog", "walks": "walk", "men": "man", "leaves": "leaf", "building": "building"}
    assert {word: bases[word] for word in pairs} == pairs
    tags = Tags.of([])
    found = tags.of_text("two dogs on the grass")
    assert [tags.words[at] for at in np.flatnonzero(found)] == ["dog", "grass"]


def test_a_word_that_captions_use_often_becomes_a_tag() -> None:
    assert "gauntlet" not in Tags.of(["a gauntlet"] * 3).words
    assert "gauntlet" in Tags.of(["a gauntlet"] * 4).words


def test_tags_are_in_the_same_order_whatever_comes_first() -> None:
    texts = ["a gauntlet falls", "a man walks"] * 4
    assert Tags.of(texts).words == Tags.of(texts[::-1]).words


def test_sentences_are_those_of_the_grammar() -> None:
    grammar = Grammar("scene: a $what runs | 3*nothing\nwhat: dog | old cat")
    drawn = [grammar.draw(np.random.default_rng(seed)) for seed in range(200)]
    assert set(drawn) == {"a dog runs", "an old cat runs", "nothing"}
    assert 120 < drawn.count("nothing") < 180


def test_a_rule_that_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match=r"\$dog"):
        Grammar("scene: a $dog runs")


def test_the_shipped_grammar_only_uses_words_that_the_caption_coder_knows_well() -> None:
    grammar, known = Grammar.shipped(), lexicon()
    unknown = sorted(grammar.words() - known.keys())
    assert len(unknown) < 20, unknown
    longest = max(len(grammar.draw(np.random.default_rng(seed)).split()) for seed in range(500))
    assert longest <= 22


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("a drone view of a parking lot and trees camera static", "a drone view of a parking lot and trees"),
        ("a gray car nothing moves", "a grey car"),
        ("the camera drives forward on a highway a red car drives ahead", "a highway a red car drives ahead"),
        ("a woman looks at the camera", "a woman looks at the camera"),
        ("a drone view of a field camera turns quickly right", "a drone view of a field"),
    ],
)  # fmt: skip
def test_what_is_said_of_the_camera_is_left_to_measurement(written: str, kept: str) -> None:
    assert content(written) == kept
