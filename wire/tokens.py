"""Appearance tokens as bits, range-coded with static tables; see `wire.planes` for how one is chosen.

A keyframe is coded by itself, or as what changed since a reference, the keyframe before: a camera that
does not move sends a third. Planes are coded in order, cells row by row. The coarse payload holds planes 0
to coarse_planes - 1; the detail payload begins with the number of planes that both make together.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from math import log2

import numpy as np
from numpy.typing import NDArray

from wire.packet import PacketError
from wire.planes import TOTAL, PlaneTables, Tokens, table_of_each, table_of_each_change
from wire.rangecoder import Decoder, Encoder, RangeCoderError


class TokenError(PacketError):
    """The tokens cannot be sent, or the bytes are no tokens."""


class TokenModel:
    """Codes tokens (planes, height, width) below `levels`; coding is integer arithmetic only.

    `alone` holds each plane's tables, `changes` those for changes: all planes' or none.
    """

    def __init__(
        self,
        grid: tuple[int, int],
        levels: int,
        coarse_planes: int,
        alone: list[PlaneTables],
        changes: list[PlaneTables],
    ) -> None:
        self.height, self.width = grid
        self.levels = levels
        self.coarse_planes = coarse_planes
        self._alone = alone
        self._changes = changes

    @classmethod
    def from_arrays(cls, tables: Mapping[str, NDArray[np.generic]]) -> "TokenModel":
        """Read tables as the builder wrote them, or raise TokenError."""
        try:
            levels, count, height, width, coarse = tables["shape"].tolist()
            planes = range(count)
            alone = [PlaneTables.from_arrays(tables, f"alone{plane}", 1, levels) for plane in planes]
            known = planes if "change0_bins" in tables else ()
            changes = [PlaneTables.from_arrays(tables, f"change{plane}", levels, levels) for plane in known]
        except (KeyError, ValueError) as error:
            raise TokenError(f"token tables are incomplete: {error}") from error
        if not 0 < coarse <= count:
            raise TokenError(f"token tables have {coarse} coarse planes of {count}")
        return cls((height, width), levels, coarse, alone, changes)

    @property
    def planes(self) -> int:
        """How many planes the tables know."""
        return len(self._alone)

    @property
    def codes_changes(self) -> bool:
        """Whether there are tables for changes, so that a reference may be given."""
        return bool(self._changes)

    def encode_coarse(self, tokens: Tokens, reference: Tokens | None = None) -> bytes:
        """Code the coarse planes of tokens (D, h, w), D at least `coarse_planes`."""
        return self._encode(tokens, 0, self.coarse_planes, reference)

    def encode_detail(self, tokens: Tokens, planes: int, reference: Tokens | None = None) -> bytes:
        """Code planes from `coarse_planes` to `planes` - 1; needs the coarse ones to be of use."""
        if not self.coarse_planes <= planes <= self.planes:
            raise TokenError(f"{planes} planes asked for, there are {self.coarse_planes} to {self.planes}")
        return bytes((planes,)) + self._encode(tokens, self.coarse_planes, planes, reference)

    def decode(self, coarse: bytes, detail: bytes | None, reference: Tokens | None = None) -> Tokens:
        """Give tokens (D', h, w) with as many planes as were sent, or raise TokenError.

        Detail that refers to planes which `reference` lacks is left out.
        """
        try:
            decoder = Decoder(coarse)
            tokens = self.read(decoder, self.coarse_planes, reference=reference)
            decoder.finish()
            if detail is None:
                return tokens
            planes = detail[0] if detail else 0
            if not self.coarse_planes <= planes <= self.planes:
                raise TokenError(f"detail says {planes} planes, tables have {self.planes}")
            if reference is not None and len(reference) < planes:
                return tokens
            decoder = Decoder(detail[1:])
            tokens = self.read(decoder, planes, tokens, reference)
            decoder.finish()
        except RangeCoderError as error:
            raise TokenError(f"tokens: {error}") from error
        return tokens

    def read(
        self, decoder: Decoder, planes: int, tokens: Tokens | None = None, reference: Tokens | None = None
    ) -> Tokens:
        """Read planes from where `decoder` stands until there are `planes`, in front of them `tokens`.

        Random bytes give random tokens, as the tables expect them. Raises RangeCoderError.
        """
        if tokens is None:
            tokens = np.zeros((0, self.height, self.width), np.uint8)
        if reference is not None:
            self._check(reference, planes)
        for plane in range(len(tokens), planes):
            known: list[int] = []
            for ends in self._tables(tokens, reference, plane, known):
                symbol = bisect_right(ends, decoder.decode_target(TOTAL))
                start = ends[symbol - 1] if symbol else 0
                decoder.advance(start, ends[symbol] - start, TOTAL)
                known.append(symbol)
            grid = np.array(known, np.uint8).reshape(1, self.height, self.width)
            tokens = np.concatenate([tokens, grid])
        return tokens

    def ideal_bits(self, tokens: Tokens, planes: int, reference: Tokens | None = None) -> float:
        """Give the cross-entropy of the first `planes` planes under the tables."""
        intervals = self._intervals(tokens, 0, planes, reference)
        return sum(-log2(size / TOTAL) for _, size in intervals)

    def _encode(self, tokens: Tokens, first: int, last: int, reference: Tokens | None) -> bytes:
        encoder = Encoder()
        for start, size in self._intervals(tokens, first, last, reference):
            encoder.encode(start, size, TOTAL)
        return encoder.finish()

    def _intervals(
        self, tokens: Tokens, first: int, last: int, reference: Tokens | None
    ) -> Iterator[tuple[int, int]]:
        self._check(tokens, last)
        if reference is not None:
            self._check(reference, last)
        for plane in range(first, last):
            known = tokens[plane].ravel().tolist()
            tables = self._tables(tokens[:plane], reference, plane, known)
            for symbol, ends in zip(known, tables, strict=True):
                start = ends[symbol - 1] if symbol else 0
                yield start, ends[symbol] - start

    def _tables(
        self, earlier: Tokens, reference: Tokens | None, plane: int, known: list[int]
    ) -> Iterator[list[int]]:
        if reference is None:
            return table_of_each(self._alone[plane], earlier, known, self.levels)
        if not self._changes:
            raise TokenError("tokens refer to a keyframe before, but there are no tables for changes")
        before = reference[: plane + 1]
        return table_of_each_change(self._changes[plane], earlier, before, known, self.levels)

    def _check(self, tokens: Tokens, planes: int) -> None:
        if tokens.ndim != 3 or tokens.shape[1:] != (self.height, self.width) or len(tokens) < planes:
            raise TokenError(
                f"tokens have shape {tokens.shape}, expected ({planes}, {self.height}, {self.width})"
            )
        if tokens[:planes].max(initial=0) >= self.levels:
            raise TokenError(f"token {tokens[:planes].max()} is not below {self.levels}")
