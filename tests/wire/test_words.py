"""Reading captions without a vocabulary."""

from wire.words import FIRST_OTHER, LEXICON, SIZE, SKIPPED, WORD_SPEED, read_words, word_id


def test_words_of_motion_have_their_own_ids_in_every_form() -> None:
    assert word_id("pans") == word_id("panning") != word_id("tilts")
    rows = [word for words in LEXICON for word in words]
    assert len(set(rows)) == len(rows)
    assert not SKIPPED & set(rows)


def test_other_words_never_share_an_id_with_a_word_of_motion() -> None:
    others = [word_id(word) for word in ("shirt", "carton", "zebra", "kühlschrank")]
    assert all(FIRST_OTHER <= number < SIZE for number in others)
    assert len(set(others)) == len(others)


def test_ids_are_the_ones_that_renderers_were_trained_with() -> None:
    assert read_words("The camera pans left, slowly.", 6) == [1, 6, 22, 42, 0, 0]
    assert word_id("shirt") == FIRST_OTHER + 0x8BA5EC10 % 1024


def test_a_long_caption_is_cut_and_an_empty_one_is_padded() -> None:
    assert read_words("left right " * 9, 4) == [22, 23, 22, 23]
    assert read_words("", 3) == [0, 0, 0]


def test_every_speed_is_named_by_a_word_of_the_lexicon() -> None:
    assert all(word_id(word) < FIRST_OTHER for word in WORD_SPEED if word)
    assert len(LEXICON) < FIRST_OTHER
    assert WORD_SPEED["slowly"] < WORD_SPEED[""] < WORD_SPEED["quickly"]
