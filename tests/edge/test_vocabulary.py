"""Captions come out of a tokenizer.json as the library that wrote it would read them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.vocabulary import Vocabulary
from wire.bundle import BundleError

pytest.importorskip("tokenizers", reason="tokenizers is not installed: it writes the files of these tests")

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

UNKNOWN = "<unk>"
TEXTS = [
    "a dog is running across the grass",
    "two men, one with an umbrella, are walking",
    "unbelievably, naïve Zoë drinks café crème for 3 €",
]


def word_level() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.train_from_iterator(TEXTS, trainers.WordLevelTrainer(special_tokens=["<s>", "</s>", UNKNOWN]))
    return tokenizer


def word_piece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.WordPiece(cleanup=False)
    special = ["<s>", "</s>", UNKNOWN]
    tokenizer.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=90, special_tokens=special))
    return tokenizer


def byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def metaspace() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=90, special_tokens=["<s>", "</s>", UNKNOWN], unk_token=UNKNOWN
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


@pytest.mark.parametrize("make", [word_level, word_piece, byte_level, metaspace])
def test_ids_become_the_words_that_the_library_gives(make: Callable[[], Tokenizer], tmp_path: Path) -> None:
    tokenizer, path = make(), tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    vocabulary = Vocabulary.from_file(path)
    begin, end = tokenizer.token_to_id("<s>"), tokenizer.token_to_id("</s>")
    for text in TEXTS:
        ids = [begin, *tokenizer.encode(text).ids, end]
        assert vocabulary.decode(ids) == tokenizer.decode(ids, skip_special_tokens=True)


def test_ids_that_nobody_knows_are_silent(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    word_level().save(str(path))
    assert Vocabulary.from_file(path).decode([999_999]) == ""


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model": {"vocab": 7}}', '{"model": null}'])
def test_what_is_no_tokenizer_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(BundleError, match=r"tokenizer\.json"):
        Vocabulary.from_file(path)


def test_an_unknown_decoder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({"model": {"vocab": {"a": 0}}, "decoder": {"type": "CTC"}}))
    with pytest.raises(BundleError, match="CTC"):
        Vocabulary.from_file(path)


@pytest.mark.parametrize(
    ("decoder", "tokens", "pieces"),
    [
        (None, ["a", "dog"], [" a", " dog"]),
        ({"type": "WordPiece", "prefix": "##"}, ["play", "##ing"], [" play", "ing"]),
        ({"type": "ByteLevel"}, ["Ġdog", "s"], [" dog", "s"]),
        ({"type": "Metaspace", "replacement": "\u2581"}, ["\u2581dog", "s"], [" dog", "s"]),
    ],
)
def test_a_piece_begins_with_a_space_where_a_word_begins(
    decoder: dict[str, str] | None, tokens: list[str], pieces: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "tokenizer.json"
    model = {"vocab": {token: number for number, token in enumerate(tokens)}}
    path.write_text(json.dumps({"model": model, "decoder": decoder}))
    assert list(Vocabulary.from_file(path).pieces().values()) == pieces
