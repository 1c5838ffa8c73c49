"""What people type, read: words, phrases, exclusions, beginnings, and never an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.query import Phrase, Query, closeness, words_of


@pytest.mark.parametrize(
    ("text", "wanted", "unwanted"),
    [
        pytest.param("Red CAR", [Phrase(["red"]), Phrase(["car"])], [], id="words in any case"),
        pytest.param('"red car" gate', [Phrase(["red", "car"]), Phrase(["gate"])], [], id="phrase"),
        pytest.param('"red car', [Phrase(["red", "car"])], [], id="phrase that does not end"),
        pytest.param("car -rain", [Phrase(["car"])], [Phrase(["rain"])], id="excluded"),
        pytest.param('-"red car" x', [Phrase(["x"])], [Phrase(["red", "car"])], id="excluded phrase"),
        pytest.param("-rain", [], [Phrase(["rain"])], id="only excluded"),
        pytest.param("ped*", [Phrase(["ped"], prefix=True)], [], id="beginning"),
        pytest.param("-ped*", [], [Phrase(["ped"], prefix=True)], id="excluded beginning"),
        pytest.param("close-up", [Phrase(["close"]), Phrase(["up"])], [], id="hyphen within"),
        pytest.param("-close-up", [], [Phrase(["close", "up"])], id="excluded hyphen"),
        pytest.param("a OR b", [Phrase(["a"]), Phrase(["or"]), Phrase(["b"])], [], id="no operators"),
        pytest.param("NEAR(a,b)", [Phrase(["near"]), Phrase(["a"]), Phrase(["b"])], [], id="no functions"),
        pytest.param("place:x", [Phrase(["place"]), Phrase(["x"])], [], id="no columns"),
        pytest.param("'; DROP --", [Phrase(["drop"])], [], id="no SQL"),
        pytest.param('"" - * !! \0', [], [], id="nothing"),
        pytest.param("A\N{COMBINING DIAERESIS}pfel", [Phrase(["äpfel"])], [], id="accent after its letter"),
        pytest.param("Äpfel 犬", [Phrase(["äpfel"]), Phrase(["犬"])], [], id="letters of all languages"),
    ],
)
def test_a_query_is_read(text: str, wanted: list[Phrase], unwanted: list[Phrase]) -> None:
    assert Query.parse(text) == Query(wanted, unwanted)


@given(st.text(max_size=200))
def test_no_text_is_refused_and_words_are_all_that_is_left(text: str) -> None:
    query = Query.parse(text)
    phrases = [*query.wanted, *query.unwanted]
    words = [word for phrase in phrases for word in phrase.words]
    assert all(phrase.words for phrase in phrases)
    assert all(words_of(word) == [word] for word in words)
    assert query.is_empty == (not phrases)


def test_the_less_else_a_caption_says_the_closer_it_is() -> None:
    query = Query.parse("car ped*")
    assert closeness(query, "a car") == 0.5
    assert closeness(query, "A red car, two pedestrians.") == 0.4
    assert closeness(query, "") == 0
    assert closeness(Query.parse("-car"), "a boat") == 0
