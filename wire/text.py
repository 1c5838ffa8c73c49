"""Captions as bits: a word model, and a spelling model for words that it does not know.

    form     how the sentence is dressed: plain, or with a capital, a full stop, or both
    words    each under the word model; an unknown one as `escape`, then its UTF-8 bytes and an end
             under the spelling model
    end      the word model's own symbol

Words are what single spaces separate, so every text comes back as it was.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from wire.ngram import CLASS_CONTEXT, MASS, SymbolModel, WordModel
from wire.packet import PacketError
from wire.rangecoder import MAX_TOTAL, Decoder, Encoder, RangeCoderError

MAX_CHARACTERS = 1024
SPELLING_CONTEXT = 5  # bytes
ESCAPE, END = 0, 1  # word symbols; words follow from FIRST_WORD on
FIRST_WORD = 2
SPELLED = 256  # spelling symbol: the word ends here

_CAPITAL, _STOP = 1, 2
_FORMS = np.array([61, 1, 1, 1], np.int64)  # plain is what captioners write
_MAX_BYTES = 4 * MAX_CHARACTERS


class TextError(PacketError):
    """The text cannot be sent, or the bytes are no text."""


class TextModel:
    """Static tables of both models; coding is integer arithmetic only."""

    def __init__(self, words: list[str], word_model: WordModel, spelling_model: SymbolModel) -> None:
        self.words = words
        self._ids = {word: index + FIRST_WORD for index, word in enumerate(words)}
        self._word_model = word_model
        self._spelling_model = spelling_model

    @classmethod
    def from_arrays(cls, tables: Mapping[str, NDArray[np.generic]]) -> "TextModel":
        """Read tables as the builder wrote them, or raise TextError."""
        try:
            words = tables["words"].tobytes().decode().split("\n")
            word_model = WordModel(tables)
            spelling_model = SymbolModel(tables, "spelling", SPELLED + 1, SPELLING_CONTEXT)
        except (KeyError, ValueError, IndexError) as error:
            raise TextError(f"text tables are incomplete: {error}") from error
        if word_model.size != len(words) + FIRST_WORD or word_model.size * 2 > MAX_TOTAL - MASS:
            raise TextError(f"text tables have {len(words)} words, but {word_model.size} classes of words")
        return cls(words, word_model, spelling_model)

    def encode(self, text: str) -> bytes:
        """Code a text of at most 1024 characters without NUL, or raise TextError."""
        if len(text) > MAX_CHARACTERS or "\0" in text:
            raise TextError(f"text has {len(text)} characters, limit is {MAX_CHARACTERS}; NUL is not allowed")
        encoder = Encoder()
        form, bare = _undress(text)
        _put(encoder, _FORMS, form)
        history = [END]
        for word in bare.split(" ") if bare else ():
            symbol = self._ids.get(word, ESCAPE)
            _put(encoder, self._word_model.frequencies(history), symbol)
            if symbol == ESCAPE:
                self._spell(encoder, word)
            history = [*history, symbol][-CLASS_CONTEXT:]
        _put(encoder, self._word_model.frequencies(history), END)
        return encoder.finish() or b"\0"  # an empty payload means "as before"

    def decode(self, data: bytes) -> str:
        """Read a text back, or raise TextError."""
        decoder = Decoder(data)
        text = self.read(decoder)
        try:
            decoder.finish()
        except RangeCoderError as error:
            raise TextError(f"caption: {error}") from error
        return text

    def read(self, decoder: Decoder) -> str:
        """Read a text from where `decoder` stands, or raise TextError; random bytes give a random one."""
        try:
            form = _take(decoder, _FORMS)
            words = self._read_words(decoder)
        except (RangeCoderError, UnicodeDecodeError) as error:
            raise TextError(f"caption: {error}") from error
        text = _dress(form, " ".join(words))
        if len(text) > MAX_CHARACTERS or "\0" in text:
            raise TextError(f"caption decodes to {len(text)} characters or to NUL")
        return text

    def _spell(self, encoder: Encoder, word: str) -> None:
        try:
            symbols = [*word.encode(), SPELLED]
        except UnicodeEncodeError as error:
            raise TextError(f"text is no Unicode: {error}") from error
        history = [SPELLED]
        for symbol in symbols:
            _put(encoder, self._spelling_model.frequencies(history), symbol)
            history = [*history, symbol][-SPELLING_CONTEXT:]

    def _read_words(self, decoder: Decoder) -> list[str]:
        words, history, left = list[str](), [END], _MAX_BYTES
        while True:
            symbol = _take(decoder, self._word_model.frequencies(history))
            if symbol == END:
                return words
            word = self.words[symbol - FIRST_WORD] if symbol != ESCAPE else self._read_spelled(decoder, left)
            words.append(word)
            left -= len(word) + 1
            if left < 0:
                raise TextError(f"caption is longer than {MAX_CHARACTERS} characters")
            history = [*history, symbol][-CLASS_CONTEXT:]

    def _read_spelled(self, decoder: Decoder, limit: int) -> str:
        spelled, history = bytearray(), [SPELLED]
        while True:
            symbol = _take(decoder, self._spelling_model.frequencies(history))
            if symbol == SPELLED:
                return spelled.decode()
            if symbol == 0:
                raise TextError("caption has a NUL")  # behind its end, a message reads as many of them
            spelled.append(symbol)
            if len(spelled) > limit:
                raise TextError(f"caption is longer than {MAX_CHARACTERS} characters")
            history = [*history, symbol][-SPELLING_CONTEXT:]


def _put(encoder: Encoder, frequencies: NDArray[np.int64], symbol: int) -> None:
    start = int(frequencies[:symbol].sum())
    encoder.encode(start, int(frequencies[symbol]), int(frequencies.sum()))


def _take(decoder: Decoder, frequencies: NDArray[np.int64]) -> int:
    ends = frequencies.cumsum()
    total = int(ends[-1])
    symbol = int(ends.searchsorted(decoder.decode_target(total), "right"))
    size = int(frequencies[symbol])
    decoder.advance(int(ends[symbol]) - size, size, total)
    return symbol


def _undress(text: str) -> tuple[int, str]:
    form, bare = 0, text
    if "A" <= bare[:1] <= "Z":
        form |= _CAPITAL
        bare = bare[0].lower() + bare[1:]
    if bare.endswith("."):
        form |= _STOP
        bare = bare[:-1]
    return form, bare


def _dress(form: int, bare: str) -> str:
    text = bare[:1].upper() + bare[1:] if form & _CAPITAL else bare
    return text + "." if form & _STOP else text
