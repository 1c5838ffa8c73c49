"""The range coder: exact, near its limit, and calm about damage."""

import random
from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.rangecoder import MAX_TOTAL, Decoder, Encoder, RangeCoderError


def intervals(frequencies: list[int]) -> list[tuple[int, int]]:
    """Give start and size of each symbol."""
    starts = [sum(frequencies[:symbol]) for symbol in range(len(frequencies))]
    return list(zip(starts, frequencies, strict=True))


def encode(symbols: list[int], frequencies: list[int]) -> bytes:
    encoder, table, total = Encoder(), intervals(frequencies), sum(frequencies)
    for symbol in symbols:
        encoder.encode(*table[symbol], total)
    return encoder.finish()


def decode(data: bytes, count: int, frequencies: list[int]) -> list[int]:
    decoder, table, total, symbols = Decoder(data), intervals(frequencies), sum(frequencies), list[int]()
    for _ in range(count):
        target = decoder.decode_target(total)
        symbol = next(s for s, (start, size) in enumerate(table) if start <= target < start + size)
        decoder.advance(*table[symbol], total)
        symbols.append(symbol)
    decoder.finish()
    return symbols


# Worked out by hand: the message is the shortest number in the last interval, as a binary fraction.
@pytest.mark.parametrize(
    ("symbols", "wire"),
    [
        pytest.param([], "", id="nothing"),
        pytest.param([0], "", id="the first symbol is what missing bytes mean"),
        pytest.param([1], "40", id="1/4 to 1/2: 0.01"),
        pytest.param([2], "80", id="1/2 to 1: 0.1"),
        pytest.param([2, 2, 1], "d0", id="13/16 to 14/16: 0.1101"),
        pytest.param([2] * 9, "ff80", id="511/512 to 1: 0.111111111"),
    ],
)
def test_message_has_the_documented_bytes(symbols: list[int], wire: str) -> None:
    assert encode(symbols, [1, 1, 2]) == bytes.fromhex(wire)
    assert decode(bytes.fromhex(wire), len(symbols), [1, 1, 2]) == symbols


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=20), st.data())
def test_decode_reverses_encode(frequencies: list[int], data: st.DataObject) -> None:
    symbols = data.draw(st.lists(st.integers(0, len(frequencies) - 1), max_size=200))
    assert decode(encode(symbols, frequencies), len(symbols), frequencies) == symbols


@given(st.lists(st.tuples(st.integers(1, MAX_TOTAL), st.randoms(use_true_random=False)), max_size=60))
def test_every_symbol_may_have_its_own_total(draws: list[tuple[int, random.Random]]) -> None:
    encoder, taken = Encoder(), list[tuple[int, int, int]]()
    for total, chance in draws:
        start = chance.randrange(total)
        taken.append((start, chance.randint(1, total - start), total))
        encoder.encode(*taken[-1])
    decoder = Decoder(encoder.finish())
    for start, size, total in taken:
        assert start <= decoder.decode_target(total) < start + size
        decoder.advance(start, size, total)
    decoder.finish()


def test_length_is_within_two_bytes_of_the_ideal() -> None:
    chance = random.Random(3)
    frequencies = [1, 3, 60_000, 500, 32]
    total = sum(frequencies)
    for count in (1, 10, 100, 10_000):
        symbols = chance.choices(range(5), frequencies, k=count)
        ideal = sum(-log2(frequencies[symbol] / total) for symbol in symbols) / 8
        assert len(encode(symbols, frequencies)) <= ideal + 2


def test_a_carry_runs_through_many_bytes() -> None:
    # The low end becomes 0.0111...1, then one more step carries through all of it.
    encoder = Encoder()
    encoder.encode(MAX_TOTAL // 2 - 1, 2, MAX_TOTAL)
    for _ in range(40):
        encoder.encode(1, 1, 2)
    encoder.encode(1, 1, 2)
    data = encoder.finish()
    decoder = Decoder(data)
    assert decoder.decode_target(MAX_TOTAL) in (MAX_TOTAL // 2 - 1, MAX_TOTAL // 2)
    decoder.advance(MAX_TOTAL // 2 - 1, 2, MAX_TOTAL)
    for _ in range(41):
        assert decoder.decode_target(2) == 1
        decoder.advance(1, 1, 2)


@pytest.mark.parametrize(
    ("start", "size", "total"), [(0, 0, 1), (-1, 1, 2), (1, 2, 2), (0, 1, 0), (0, 1, MAX_TOTAL + 1)]
)
def test_what_is_no_interval_is_refused(start: int, size: int, total: int) -> None:
    with pytest.raises(RangeCoderError, match="interval"):
        Encoder().encode(start, size, total)
    with pytest.raises(RangeCoderError, match="interval"):
        Decoder(b"").advance(start, size, total)


@pytest.mark.parametrize("total", [0, -1, MAX_TOTAL + 1])
def test_a_target_needs_a_total(total: int) -> None:
    with pytest.raises(RangeCoderError, match="interval"):
        Decoder(b"abc").decode_target(total)


def test_advancing_over_another_symbol_is_refused() -> None:
    with pytest.raises(RangeCoderError, match="not where the message is"):
        Decoder(b"\xff").advance(0, 1, 2)
    with pytest.raises(RangeCoderError, match="not where the message is"):
        Decoder(b"\x00").advance(1, 1, 2)


def test_bytes_behind_the_message_are_noticed() -> None:
    with pytest.raises(RangeCoderError, match="follow the last symbol"):
        decode(encode([2, 1], [1, 1, 2]) + bytes(20), 2, [1, 1, 2])


@given(st.binary(max_size=40))
def test_arbitrary_bytes_decode_to_something(data: bytes) -> None:
    decoder = Decoder(data)
    for total in (3, 65536, MAX_TOTAL, 257) * 20:
        target = decoder.decode_target(total)
        assert 0 <= target < total
        decoder.advance(target, 1, total)
