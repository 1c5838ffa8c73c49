"""Caption coding: every text comes back, captions are short, damage is an error."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.tables import text_tables
from tests.wire.sample import CAPTIONS
from wire.packet import PacketError
from wire.text import TextError, TextModel


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "  ",
        ".",
        "A",
        "a brown dog runs to the left in a park",
        "A brown dog runs to the left in a park.",
        "a  brown   dog ",
        " a brown dog",
        "a\tbrown\ndog\r\n",
        "A BROWN DOG!?",
        "Ein Mädchen läuft über die Straße",
        "一只猫在睡觉",
        "a cat 🐈‍⬛ sleeps 🎉",
        "x" * 1024,
        " " * 1024,
        "🎉" * 1024,
        "a " * 512,
        "\u2028\ufeff\x01\x7f",
    ],
)
def test_every_text_comes_back(text_model: TextModel, text: str) -> None:
    assert text_model.decode(text_model.encode(text)) == text


@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60))
def test_arbitrary_texts_come_back(text_model: TextModel, text: str) -> None:
    assert text_model.decode(text_model.encode(text)) == text


@given(words=st.lists(st.sampled_from(" ".join(CAPTIONS).split()), max_size=30))
def test_sentences_of_known_words_come_back(text_model: TextModel, words: list[str]) -> None:
    text = " ".join(words)
    assert text_model.decode(text_model.encode(text)) == text


def test_what_was_counted_is_short(text_model: TextModel) -> None:
    assert max(len(text_model.encode(caption)) for caption in CAPTIONS) <= 8


def test_a_caption_of_other_words_is_not_long(text_model: TextModel) -> None:
    caption = "a black horse jumps over a wooden fence"
    assert len(text_model.encode(caption)) <= len(caption) * 2.5 / 8


def test_a_capital_and_a_full_stop_cost_a_byte_at_most(text_model: TextModel) -> None:
    plain, dressed = CAPTIONS[0], CAPTIONS[0].capitalize() + "."
    assert len(text_model.encode(dressed)) <= len(text_model.encode(plain)) + 1


def test_a_payload_is_never_empty(text_model: TextModel) -> None:
    for text in ("", " ", *CAPTIONS):
        assert text_model.encode(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("a\0b", "NUL"), ("x" * 1025, "1025 characters"), ("lone \ud800 surrogate", "no Unicode")],
)
def test_what_cannot_be_sent_is_refused(text_model: TextModel, text: str, reason: str) -> None:
    with pytest.raises(TextError, match=reason):
        text_model.encode(text)


def test_damaged_payloads_raise_text_error_or_decode(text_model: TextModel) -> None:
    chance = random.Random(4)
    outcomes = {True: 0, False: 0}
    for _ in range(1500):
        data = bytearray(text_model.encode(chance.choice([*CAPTIONS, "zebra crossing 🦓 éè"])))
        data[chance.randrange(len(data))] = chance.randrange(256)
        data += chance.randbytes(chance.choice([0, 0, 3, 40]))
        try:
            text = text_model.decode(bytes(data))
        except TextError:
            outcomes[False] += 1
        else:
            outcomes[True] += 1
            assert len(text) <= 1024
            assert "\0" not in text
    assert min(outcomes.values()) > 50


@given(data=st.binary(max_size=60))
def test_arbitrary_payloads_raise_packet_error_or_decode(text_model: TextModel, data: bytes) -> None:
    try:
        text = text_model.decode(data)
    except PacketError:
        return
    assert text_model.decode(text_model.encode(text)) == text


@pytest.mark.parametrize("payload", [b"", b"\xff" * 20_000, b"\0" * 20_000, b"\x55" * 20_000])
def test_a_long_or_empty_payload_ends(text_model: TextModel, payload: bytes) -> None:
    try:
        assert len(text_model.decode(payload)) <= 1024
    except TextError:
        return


def test_a_nul_ends_the_reading_of_a_payload(text_model: TextModel) -> None:
    with pytest.raises(TextError, match="has a NUL"):
        text_model.decode(b"")  # behind its end, zeros: unknown words that begin with NUL


def test_incomplete_tables_are_refused() -> None:
    tables = text_tables(CAPTIONS)
    for name in tables:
        with pytest.raises(TextError, match="incomplete"):
            TextModel.from_arrays({key: value for key, value in tables.items() if key != name})
    with pytest.raises(TextError, match="words"):
        TextModel.from_arrays(tables | {"words": np.frombuffer(b"a\nb", np.uint8)})


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("class1_contexts", np.array(1)),
        ("class1_contexts", np.array([1, 2])),
        ("word1_keeps", np.array([0.5])),
        ("word1_keeps", np.array([0, 2**40])),
        ("word1_offsets", np.array([0])),
        ("word1_offsets", np.array([3, 0])),
        ("spelling0_symbols", np.array([300])),
        ("spelling0_adds", np.array([-1])),
        ("classes", np.zeros((2, 2), np.int64)),
        ("classes", np.array([2**40])),
        ("emits", np.array([-1])),
    ],
)
def test_tables_that_do_not_fit_together_are_refused(
    name: str, table: np.ndarray[tuple[int, ...], np.dtype]
) -> None:
    with pytest.raises(TextError, match="incomplete"):
        TextModel.from_arrays(text_tables(CAPTIONS) | {name: table})
