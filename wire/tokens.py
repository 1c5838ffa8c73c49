"""Appearance tokens as bits: each under a static table, chosen by what is known around it.

Planes are coded in order, cells row by row. A token's neighbours are the four of its own plane that
came before it, and the 3 x 3 cells around it of all earlier planes:

       earlier planes        own plane
         o  o  o             o  o  o       a weighted sum of them, in integers, says which value to
         o  o  o             o  ?          expect (`bins`); another one, of how much they differ
         o  o  o                           among each other, how sure that is (`spreads`)

The coarse payload holds planes 0 to coarse_planes - 1; the detail payload begins with the number of
planes that both make together.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import log2
from operator import mul
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wire.packet import PacketError
from wire.rangecoder import Decoder, Encoder, RangeCoderError

TOTAL = 65536  # of each table
WEIGHT_BITS = 12
Tokens = NDArray[np.uint8]
Number = TypeVar("Number", int, NDArray[np.int64])


class TokenError(PacketError):
    """The tokens cannot be sent, or the bytes are no tokens."""


@dataclass(frozen=True, slots=True)
class PlaneTables:
    """What one plane is coded with; weights are of the value to expect, and of its spread.

    `outer` (2, 9 x earlier planes) weighs what `surroundings` and `roughness` give, `inner` (4,) left,
    up, up-left, up-right, `inner_rough` (6,) what `differences` gives. `bins` and `spreads` are ascending
    limits; `ends` holds the running totals of each table, at [bin * (len(spreads) + 1) + spread].
    """

    outer: NDArray[np.int64]
    inner: list[int]
    inner_rough: list[int]
    bins: list[int]
    spreads: list[int]
    ends: list[list[int]]


class TokenModel:
    """Codes tokens (planes, height, width) below `levels`; coding is integer arithmetic only."""

    def __init__(
        self, levels: int, height: int, width: int, coarse_planes: int, planes: list[PlaneTables]
    ) -> None:
        self.levels = levels
        self.height = height
        self.width = width
        self.coarse_planes = coarse_planes
        self._tables = planes

    @property
    def planes(self) -> int:
        """How many planes the tables know."""
        return len(self._tables)

    @classmethod
    def from_arrays(cls, tables: Mapping[str, NDArray[np.generic]]) -> "TokenModel":
        """Read tables as the builder wrote them, or raise TokenError."""
        try:
            shape = [int(value) for value in tables["shape"].tolist()]
            levels, count, height, width, coarse = shape
            planes = [_plane_tables(tables, plane, levels) for plane in range(count)]
        except (KeyError, ValueError, IndexError) as error:
            raise TokenError(f"token tables are incomplete: {error}") from error
        if not 0 < coarse <= count:
            raise TokenError(f"token tables have {coarse} coarse planes of {count}")
        return cls(levels, height, width, coarse, planes)

    def encode_coarse(self, tokens: Tokens) -> bytes:
        """Code the coarse planes of tokens (D, h, w), D at least `coarse_planes`."""
        return self._encode(tokens, 0, self.coarse_planes)

    def encode_detail(self, tokens: Tokens, planes: int) -> bytes:
        """Code planes from `coarse_planes` to `planes` - 1; needs the coarse ones to be of use."""
        if not self.coarse_planes <= planes <= self.planes:
            raise TokenError(f"{planes} planes asked for, there are {self.coarse_planes} to {self.planes}")
        return bytes((planes,)) + self._encode(tokens, self.coarse_planes, planes)

    def decode(self, coarse: bytes, detail: bytes | None) -> Tokens:
        """Give tokens (D', h, w) with as many planes as were sent, or raise TokenError."""
        try:
            decoder = Decoder(coarse)
            tokens = self.read(decoder, self.coarse_planes)
            decoder.finish()
            if detail is None:
                return tokens
            planes = detail[0] if detail else 0
            if not self.coarse_planes <= planes <= self.planes:
                raise TokenError(f"detail says {planes} planes, tables have {self.planes}")
            decoder = Decoder(detail[1:])
            tokens = self.read(decoder, planes, tokens)
            decoder.finish()
        except RangeCoderError as error:
            raise TokenError(f"tokens: {error}") from error
        return tokens

    def read(self, decoder: Decoder, planes: int, tokens: Tokens | None = None) -> Tokens:
        """Read planes from where `decoder` stands until there are `planes`, in front of them `tokens`.

        Random bytes give random tokens, as the tables expect them. Raises RangeCoderError.
        """
        if tokens is None:
            tokens = np.zeros((0, self.height, self.width), np.uint8)
        for plane in range(len(tokens), planes):
            known: list[int] = []
            for ends in self._contexts(tokens, plane, known):
                symbol = bisect_right(ends, decoder.decode_target(TOTAL))
                start = ends[symbol - 1] if symbol else 0
                decoder.advance(start, ends[symbol] - start, TOTAL)
                known.append(symbol)
            grid = np.array(known, np.uint8).reshape(1, self.height, self.width)
            tokens = np.concatenate([tokens, grid])
        return tokens

    def ideal_bits(self, tokens: Tokens, planes: int) -> float:
        """Give the cross-entropy of the first `planes` planes under the tables."""
        tokens = self._checked(tokens, planes)
        total = 0.0
        for plane in range(planes):
            known = tokens[plane].ravel().tolist()
            for symbol, ends in zip(known, self._contexts(tokens[:plane], plane, known), strict=True):
                total -= log2((ends[symbol] - (ends[symbol - 1] if symbol else 0)) / TOTAL)
        return total

    def _encode(self, tokens: Tokens, first: int, last: int) -> bytes:
        tokens, encoder = self._checked(tokens, last), Encoder()
        for plane in range(first, last):
            known = tokens[plane].ravel().tolist()
            for symbol, ends in zip(known, self._contexts(tokens[:plane], plane, known), strict=True):
                start = ends[symbol - 1] if symbol else 0
                encoder.encode(start, ends[symbol] - start, TOTAL)
        return encoder.finish()

    def _contexts(self, earlier: Tokens, plane: int, known: list[int]) -> Iterator[list[int]]:
        """Give each cell's table in order; `known` must hold all cells before the one asked for."""
        tables, width, middle = self._tables[plane], self.width, self.levels - 1
        by_left, by_up, by_up_left, by_up_right = tables.inner
        columns = len(tables.spreads) + 1
        around = surroundings(earlier, self.levels)
        values = (around @ tables.outer[0]).ravel().tolist()
        spreads = (roughness(around) @ tables.outer[1]).ravel().tolist()
        for at, (outer, outer_rough) in enumerate(zip(values, spreads, strict=True)):
            x, above = at % width, at >= width
            left = 2 * known[at - 1] - middle if x else 0
            up = 2 * known[at - width] - middle if above else 0
            up_left = 2 * known[at - width - 1] - middle if above and x else 0
            up_right = 2 * known[at - width + 1] - middle if above and x + 1 < width else 0
            value = outer + by_left * left + by_up * up + by_up_left * up_left + by_up_right * up_right
            rough = differences(left, up, up_left, up_right)
            spread = outer_rough + sum(map(mul, tables.inner_rough, rough))
            row = bisect_right(tables.bins, value)
            yield tables.ends[row * columns + bisect_right(tables.spreads, spread)]

    def _checked(self, tokens: Tokens, planes: int) -> Tokens:
        if tokens.ndim != 3 or tokens.shape[1:] != (self.height, self.width) or len(tokens) < planes:
            raise TokenError(
                f"tokens have shape {tokens.shape}, expected ({planes}, {self.height}, {self.width})"
            )
        if tokens[:planes].max(initial=0) >= self.levels:
            raise TokenError(f"token {tokens[:planes].max()} is not below {self.levels}")
        return tokens


def surroundings(planes: Tokens, levels: int) -> NDArray[np.int64]:
    """Give the 3 x 3 cells around each cell of planes (..., P, h, w), centred on 0: (..., h, w, 9 x P).

    They are ordered by plane, then row by row; outside the grid is 0.
    """
    *batch, count, height, width = planes.shape
    padded = np.zeros((*batch, count, height + 2, width + 2), np.int64)
    padded[..., 1:-1, 1:-1] = 2 * planes.astype(np.int64) - (levels - 1)
    views = [padded[..., y : y + height, x : x + width] for y in range(3) for x in range(3)]
    around: NDArray[np.int64] = np.moveaxis(np.stack(views, axis=-1), -4, -2)  # (..., h, w, P, 9)
    return around.reshape(*batch, height, width, 9 * count)


def roughness(around: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give how much each of 3 x 3 cells differs from their middle; for the middle, from 0."""
    cells = around.reshape(*around.shape[:-1], -1, 9)
    middle = cells[..., 4:5]
    rough: NDArray[np.int64] = np.abs(cells - middle)
    rough[..., 4:5] = np.abs(middle)
    return rough.reshape(around.shape)


def differences(left: Number, up: Number, up_left: Number, up_right: Number) -> tuple[Number, ...]:
    """Give how much the known neighbours of the own plane differ, from each other and from 0."""
    return (
        abs(left - up_left),
        abs(up - up_left),
        abs(up_right - up),
        abs(left - up),
        abs(left),
        abs(up),
    )


def _plane_tables(tables: Mapping[str, NDArray[np.generic]], plane: int, levels: int) -> PlaneTables:
    bins = tables["bins"][plane].tolist()
    spreads = tables["spreads"][plane].tolist()
    frequencies = tables["frequencies"][plane].reshape(-1, levels).astype(np.int64)
    if len(frequencies) != (len(bins) + 1) * (len(spreads) + 1):
        raise ValueError(f"plane {plane} has {len(frequencies)} tables")
    if (frequencies < 1).any() or (frequencies.sum(axis=1) != TOTAL).any():
        raise ValueError(f"a table of plane {plane} does not add up to {TOTAL}")
    return PlaneTables(
        outer=tables["outer"][plane, :, : 9 * plane].astype(np.int64),
        inner=tables["inner"][plane].tolist(),
        inner_rough=tables["inner_rough"][plane].tolist(),
        bins=bins,
        spreads=spreads,
        ends=[list(accumulate(row)) for row in frequencies.tolist()],
    )
