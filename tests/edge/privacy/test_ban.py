"""Forbidden words never get into a beam, however the tokenizer cuts them up."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.beam import Beams
from edge.privacy.ban import TokenBan
from edge.privacy.words import Forbidden

_TOKENS = (
    " a| man| wo|man| dog|'s| man's|hole| manhole| licence| plate|s|men"
    "| m|a|n| w|o| h|is| b|oy| plate of|-man| the man in"
)
PIECES = dict(enumerate(_TOKENS.split("|")))
FORBIDDEN = Forbidden.of(["gender", "plate"])
BAN = TokenBan(FORBIDDEN, PIECES)
END = len(PIECES)


def banned_after(*pieces: str) -> set[str]:
    ids = [next(number for number, piece in PIECES.items() if piece == wanted) for wanted in pieces]
    return {PIECES[int(number)] for number in BAN.after(ids)}


def test_a_token_that_is_a_forbidden_word_or_has_one_inside_never_comes() -> None:
    assert banned_after(" a") >= {" man", " man's", "-man", " the man in"}
    assert not banned_after(" a") & {" dog", " manhole", " wo", " plate", "s"}


def test_a_piece_that_would_complete_a_forbidden_word_may_not_come() -> None:
    assert banned_after(" a", " wo") >= {"man", "men"}
    assert "n" in banned_after(" m", "a")
    assert "n" in banned_after(" w", "o", " m", "a")
    assert "is" in banned_after(" h")
    assert "oy" in banned_after(" b")
    assert "is" not in banned_after(" b")


def test_a_row_of_words_is_banned_by_its_last() -> None:
    assert banned_after(" licence") >= {" plate", " plate of"}
    assert not banned_after(" dog") & {" plate", " plate of"}


@pytest.mark.parametrize("beams", [1, 2, 5])
@given(seed=st.integers(0, 10_000))
def test_no_beam_ends_with_a_forbidden_word(beams: int, seed: int) -> None:
    assert not FORBIDDEN.found_in(spoken(beams, seed, BAN))


def test_without_a_ban_they_would_be_said() -> None:
    assert any(FORBIDDEN.found_in(spoken(2, seed, None)) for seed in range(50))


def spoken(beams: int, seed: int, ban: TokenBan | None) -> str:
    """Search with made-up logits, in the way of the decoder."""
    chance = np.random.default_rng(seed)
    search = Beams(beams, END, max_tokens=8)
    going = True
    while going:
        logits = chance.normal(0, 3, (beams, END + 1))
        for row, said in enumerate(search.said):
            logits[row, ban.after(said) if ban else []] = -np.inf
        going = search.advance(logits)
    return text(search.best())


def text(ids: Sequence[int]) -> str:
    return "".join(PIECES[number] for number in ids)
