"""Turns a captioner's token ids into words, from a Hugging Face tokenizer.json.

Only the reading direction, which is a table and a rule for spaces. The `tokenizers` package does both
directions, but it brings a hub client and 80 MB of others that a device has no use for.

    decoder in the file    tokens are joined
    none                   with spaces
    WordPiece              with spaces, but for continuations ("##ing")
    ByteLevel              as bytes, each of them spelled as one printable character (GPT-2, BART)
    Metaspace              as they are; a space is spelled as U+2581 (T5, SentencePiece)
"""

import json
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from wire.bundle import BundleError

Join = Callable[[Sequence[str]], str]
Spell = Callable[[str], str]


class Vocabulary:
    """Words by id; special tokens are silent, and so are ids that the file does not know."""

    def __init__(self, tokens: dict[int, str], join: Join, spell: Spell = " {}".format) -> None:
        self._tokens = tokens
        self._join = join
        self._spell = spell

    @classmethod
    def from_file(cls, path: Path) -> "Vocabulary":
        """Read a tokenizer.json, or raise BundleError."""
        try:
            document = json.loads(path.read_bytes())
            tokens = _tokens(document["model"]["vocab"])
            for added in document.get("added_tokens", ()):
                tokens[added["id"]] = added["content"]
                if added["special"]:
                    del tokens[added["id"]]
            decoder = document.get("decoder")
            return cls(tokens, _joiner(decoder), _speller(decoder))
        except OSError as error:
            raise BundleError(f"{path}: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BundleError(f"{path}: not a tokenizer that can be read: {error!r}") from error

    def decode(self, ids: Iterable[int]) -> str:
        """Give the text of token ids."""
        return self._join([self._tokens[number] for number in ids if number in self._tokens])

    def pieces(self) -> dict[int, str]:
        """Give the text that each token adds, by id, with a space before it where it begins a word."""
        return {number: self._spell(token) for number, token in self._tokens.items()}


def _tokens(vocabulary: dict[str, int] | list[list[str]]) -> dict[int, str]:
    if isinstance(vocabulary, dict):
        return {number: token for token, number in vocabulary.items()}
    return {number: entry[0] for number, entry in enumerate(vocabulary)}  # Unigram: (token, score)


def _joiner(decoder: dict[str, str] | None) -> Join:
    if decoder is None:
        return " ".join
    kind = decoder["type"]
    if kind == "WordPiece":
        prefix = decoder["prefix"]
        return lambda tokens: " ".join(tokens).replace(f" {prefix}", "")
    if kind == "ByteLevel":
        return _join_bytes
    if kind == "Metaspace":
        return lambda tokens: "".join(tokens).replace(decoder["replacement"], " ").strip()
    raise ValueError(f"decoder {kind!r} is none of WordPiece, ByteLevel, Metaspace")


def _speller(decoder: dict[str, str] | None) -> Spell:
    if decoder is None:
        return " {}".format
    if decoder["type"] == "WordPiece":
        prefix = decoder["prefix"]
        return lambda token: token[len(prefix) :] if token.startswith(prefix) else f" {token}"
    if decoder["type"] == "ByteLevel":
        return lambda token: _join_bytes([token])
    return lambda token: token.replace(decoder["replacement"], " ")


def _join_bytes(tokens: Sequence[str]) -> str:
    spelling = _byte_of_character()
    parts = (
        bytes(spelling[character] for character in token)
        if all(character in spelling for character in token)
        else token.encode()
        for token in tokens
    )
    return b"".join(parts).decode(errors="replace")


@lru_cache(maxsize=1)
def _byte_of_character() -> dict[str, int]:
    """GPT-2's spelling: printable Latin-1 stands for itself, the other bytes follow from U+0100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    spelled = {chr(byte): byte for byte in printable}
    return spelled | {chr(0x100 + place): byte for place, byte in enumerate(others)}
