"""Words that captions may not say: in all their forms, and only those."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.privacy.words import Forbidden, split, topics

GENDER = Forbidden.of(["gender"])


@pytest.mark.parametrize(
    "text",
    [
        "a man walks",
        "two Women",
        "his hat",
        "the man's car",
        "a WOMÁN",
        "boys run",
        "man",
        "a policeman.",
        "(she)",
    ],
)
def test_a_topic_is_found_in_all_its_forms(text: str) -> None:
    assert GENDER.found_in(text)


@pytest.mark.parametrize("text", ["a manhole cover", "the shed", "romance", "hello", "there", "a human", ""])
def test_words_that_only_look_alike_are_not_found(text: str) -> None:
    assert not GENDER.found_in(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("age", "an elderly person"),
        ("age", "a middle-aged worker"),
        ("age", "three children play"),
        ("age", "he is 30 years old"),
        ("skin", "a black man stands"),
        ("skin", "pale hands"),
        ("plate", "a licence plate is seen"),
        ("person", "people cross"),
        ("uniform", "two uniformed guards"),
        ("carry", "she carries it"),
        ("Red Car", "two red cars"),
    ],
)
def test_topics_and_own_words(name: str, text: str) -> None:
    assert Forbidden.of([name]).found_in(text)


def test_colours_of_things_may_be_said() -> None:
    assert not Forbidden.of(["skin"]).found_in("a black car beside a white wall, dark clouds, brown shoes")
    assert not Forbidden.of(["plate"]).found_in("a plate of fruit")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a man walks slowly", "walks slowly"),
        ("an old man and the woman's dog", "an old and dog"),
        ("a dog runs", "a dog runs"),
        ("man", None),
        ("the man, the woman", None),
        ("a red man-made wall", "a red made wall"),
    ],
)
def test_what_may_not_be_said_is_left_out(text: str, left: str | None) -> None:
    assert GENDER.without(text) == left


def test_what_was_apart_and_comes_together_is_left_out_too() -> None:
    forbidden = Forbidden([("licence", "plate"), ("man",)])
    assert forbidden.without("a licence man plate here") == "a here" or not forbidden.found_in(
        forbidden.without("a licence man plate here") or ""
    )


@given(
    st.lists(
        st.sampled_from([*topics()["gender"], ("a",), ("dog",), ("'s",), ("-",), ("walks",)]), max_size=8
    )
)
def test_nothing_is_ever_left(phrases: list[tuple[str, ...]]) -> None:
    left = GENDER.without(" ".join(word for phrase in phrases for word in phrase))
    assert left is None or not GENDER.found_in(left)


def test_topics_are_in_a_form_that_can_be_found() -> None:
    for name, phrases in topics().items():
        assert len(phrases) >= 10, name
        for phrase in phrases:
            assert split(" ".join(phrase)) == phrase
