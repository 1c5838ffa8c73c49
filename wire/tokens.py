"""Appearance tokens as bits, range-coded with static tables; see `wire.planes` for how one is chosen.

A grid of tokens is uint8 (planes, h, w), always with all the planes of the tables. `UNKNOWN` stands where
nothing was sent; the known planes of a cell are the first ones, so that each cell has a depth:

    plane   0 1 2 3 | 4 5 6 7 8 9 ...
    cell A  k k k k | k k k k . .        k known, . UNKNOWN
    cell B  k k k k | . . . . . .        just changed: its detail is yet to come
            coarse    detail

coarse    all cells                      cells row by row, plane after plane
changes   which cells changed, and those; of these the detail is forgotten
detail    the number of planes that are known afterwards, then what is unknown below it

Coding looks at known tokens only, so both sides need the same grid to begin with.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from math import log2

import numpy as np
from numpy.typing import NDArray

from wire.arrays import whole_numbers
from wire.neighbours import UNKNOWN, centred, own_neighbours
from wire.packet import PacketError
from wire.planes import TOTAL, PlaneTables, Tokens, table_of_each
from wire.rangecoder import Decoder, Encoder, RangeCoderError

Mask = NDArray[np.bool_]  # (h, w)
Choose = Callable[[list[int], int, int], int]  # running totals, plane, cell: the token that is there

MAX_CELLS = 65536  # of a grid
_FLAG_TOTAL = 256
# How often a cell stays, by how many of its known neighbours changed (left and up count twice): counted
# on 5,800 cells of twelve clips. Tables that adapt, or that a packet chooses, were not smaller.
_STAYS = (229, 205, 157, 133, 96, 58, 31)


class TokenError(PacketError):
    """The tokens cannot be sent, or the bytes are no tokens."""


class TokenModel:
    """Codes grids of tokens below `levels`; coding is integer arithmetic only."""

    def __init__(
        self,
        grid: tuple[int, int],
        levels: int,
        tables: list[PlaneTables],
        weights: NDArray[np.float64],
    ) -> None:
        self.height, self.width = grid
        self.levels = levels
        self.coarse_planes = len(weights)
        self._tables = tables
        self._weights = weights

    @classmethod
    def from_arrays(cls, tables: Mapping[str, NDArray[np.generic]]) -> "TokenModel":
        """Read tables as the builder wrote them, or raise TokenError."""
        try:
            levels, count, height, width, coarse = whole_numbers(tables, "shape").tolist()
            if not (height > 0 < width and height * width <= MAX_CELLS):
                raise ValueError(f"a grid of {height} x {width} is not 1 to {MAX_CELLS} cells")  # noqa: TRY301
            planes = [
                PlaneTables.from_arrays(tables, f"alone{plane}", levels, plane) for plane in range(count)
            ]
            weights = tables["weights"].astype(np.float64)
        except (KeyError, ValueError) as error:
            raise TokenError(f"token tables are incomplete: {error}") from error
        if not 0 < coarse <= count:
            raise TokenError(f"token tables have {coarse} coarse planes of {count}")
        if not 1 < levels <= UNKNOWN:
            raise TokenError(f"token tables have {levels} levels, not 2 to {UNKNOWN}")
        if weights.shape != (coarse,) or not (np.isfinite(weights) & (weights > 0)).all():
            raise TokenError(f"token tables have weights {weights.tolist()} for {coarse} coarse planes")
        return cls((height, width), levels, planes, weights)

    @property
    def planes(self) -> int:
        """How many planes the tables know."""
        return len(self._tables)

    def changed(self, tokens: Tokens, memory: Tokens) -> Mask:
        """Which cells look different: their `difference` exceeds 1."""
        return np.asarray(self.difference(tokens, memory) > 1, np.bool_)

    def difference(self, tokens: Tokens, memory: Tokens) -> NDArray[np.float64]:
        """How different each cell (h, w) looks: the squared differences of coarse tokens, weighted."""
        coarse = self.coarse_planes
        apart = tokens[:coarse].astype(np.float64) - memory[:coarse]
        return np.asarray(np.tensordot(self._weights, apart * apart, axes=1), np.float64)

    def encode_coarse(self, tokens: Tokens) -> bytes:
        """Code the coarse planes of tokens (D, h, w), D at least `coarse_planes`."""
        self._check(tokens, self.coarse_planes)
        encoder = Encoder()
        self._fill(self._blank(), range(self.coarse_planes), self._everywhere(), _writer(encoder, tokens))
        return encoder.finish()

    def decode_coarse(self, data: bytes) -> Tokens:
        """Give a grid whose coarse planes are known, or raise TokenError."""
        return self._decoded(data, lambda decoder: self.read(decoder, self.coarse_planes))

    def encode_changes(self, tokens: Tokens, memory: Tokens, changed: Mask) -> bytes:
        """Code which cells of the grid `memory` have changed, and the coarse planes of their tokens."""
        self._check(tokens, self.coarse_planes)
        encoder = Encoder()

        def write_flag(neighbours: int, at: int) -> bool:
            flag = bool(changed.flat[at])
            encoder.encode(*_flag_interval(neighbours, changed=flag), _FLAG_TOTAL)
            return flag

        cells = self._flags(write_flag)
        self._fill(_forgotten(memory, cells), range(self.coarse_planes), cells, _writer(encoder, tokens))
        return encoder.finish()

    def decode_changes(self, data: bytes, memory: Tokens) -> Tokens:
        """Give the grid `memory` with what has changed, or raise TokenError."""

        def read(decoder: Decoder) -> Tokens:
            cells = self._flags(lambda neighbours, _: _read_flag(decoder, neighbours))
            return self._fill(_forgotten(memory, cells), range(self.coarse_planes), cells, _reader(decoder))

        return self._decoded(data, read)

    def encode_detail(
        self, tokens: Tokens, planes: int, known: Tokens | None = None, room: int | None = None
    ) -> bytes:
        """Code what the grid `known` lacks below `planes`; by default it knows the coarse planes.

        With `room`, as many planes as fit in so many bytes: perhaps none, which gives an empty payload.
        """
        if not self.coarse_planes <= planes <= self.planes:
            raise TokenError(f"{planes} planes asked for, there are {self.coarse_planes} to {self.planes}")
        self._check(tokens, planes)
        grid = self._blank() if known is None else known
        if known is None:
            grid[: self.coarse_planes] = tokens[: self.coarse_planes]
        encoder, payload = Encoder(), b""
        for plane in range(planes):
            grid = self._fill(grid, range(plane, plane + 1), self._everywhere(), _writer(encoder, tokens))
            if room is not None and plane >= self.coarse_planes:
                longer = bytes((plane + 1,)) + encoder.finish()
                if len(longer) > room:
                    return payload
                payload = longer
        return payload if room is not None else bytes((planes,)) + encoder.finish()

    def decode_detail(self, data: bytes, known: Tokens) -> Tokens:
        """Give the grid `known` with what it lacked, or raise TokenError."""
        planes = data[0] if data else 0
        if not self.coarse_planes <= planes <= self.planes:
            raise TokenError(f"detail says {planes} planes, tables have {self.planes}")

        def read(decoder: Decoder) -> Tokens:
            return self._fill(known, range(planes), self._everywhere(), _reader(decoder))

        return self._decoded(data[1:], read)

    def read(self, decoder: Decoder, planes: int) -> Tokens:
        """Read the first `planes` planes of all cells.

        Random bytes give random tokens, as the tables expect them. Raises RangeCoderError.
        """
        return self._fill(self._blank(), range(planes), self._everywhere(), _reader(decoder))

    def ideal_bits(self, tokens: Tokens, planes: int) -> float:
        """Give the cross-entropy of the first `planes` planes of tokens (D, h, w) under the tables."""
        self._check(tokens, planes)
        sizes: list[int] = []

        def note(ends: list[int], plane: int, at: int) -> int:
            symbol = int(tokens[plane].flat[at])
            sizes.append(_interval(ends, symbol)[1])
            return symbol

        self._fill(self._blank(), range(planes), self._everywhere(), note)
        return sum(-log2(size / TOTAL) for size in sizes)

    def _fill(self, known: Tokens, planes: range, cells: Mask, choose: Choose) -> Tokens:
        """Let `choose` say the unknown tokens of `cells`: the one walk that both directions take."""
        tokens = known.copy()
        for plane in planes:
            missing = np.flatnonzero(cells & (tokens[plane] == UNKNOWN)).tolist()
            if not missing:
                continue
            own = centred(tokens[plane], self.levels).ravel().tolist()
            tables = table_of_each(self._tables[plane], tokens[:plane], own, missing, self.levels)
            for at, ends in zip(missing, tables, strict=True):
                symbol = choose(ends, plane, at)
                own[at] = 2 * symbol - (self.levels - 1)
                tokens[plane].flat[at] = symbol
        return tokens

    def _flags(self, choose: Callable[[int, int], bool]) -> Mask:
        """Let `choose` say of each cell whether it changed, told how many of its neighbours did."""
        changed = [0] * (self.height * self.width)
        for at in range(len(changed)):
            left, up, up_left, up_right = own_neighbours(changed, at, self.width)
            changed[at] = int(choose(2 * left + 2 * up + up_left + up_right, at))
        return np.array(changed, np.bool_).reshape(self.height, self.width)

    def _decoded(self, data: bytes, read: Callable[[Decoder], Tokens]) -> Tokens:
        try:
            decoder = Decoder(data)
            tokens = read(decoder)
            decoder.finish()
        except RangeCoderError as error:
            raise TokenError(f"tokens: {error}") from error
        return tokens

    def _blank(self) -> Tokens:
        return np.full((self.planes, self.height, self.width), UNKNOWN, np.uint8)

    def _everywhere(self) -> Mask:
        return np.ones((self.height, self.width), np.bool_)

    def _check(self, tokens: Tokens, planes: int) -> None:
        if tokens.ndim != 3 or tokens.shape[1:] != (self.height, self.width) or len(tokens) < planes:
            raise TokenError(
                f"tokens have shape {tokens.shape}, expected ({planes}, {self.height}, {self.width})"
            )
        if tokens[:planes].max(initial=0) >= self.levels:
            raise TokenError(f"token {tokens[:planes].max()} is not below {self.levels}")


def _forgotten(memory: Tokens, cells: Mask) -> Tokens:
    return np.where(cells, np.uint8(UNKNOWN), memory)


def _interval(ends: list[int], symbol: int) -> tuple[int, int]:
    start = ends[symbol - 1] if symbol else 0
    return start, ends[symbol] - start


def _writer(encoder: Encoder, tokens: Tokens) -> Choose:
    def write(ends: list[int], plane: int, at: int) -> int:
        symbol = int(tokens[plane].flat[at])
        encoder.encode(*_interval(ends, symbol), TOTAL)
        return symbol

    return write


def _reader(decoder: Decoder) -> Choose:
    def read(ends: list[int], _plane: int, _at: int) -> int:
        symbol = bisect_right(ends, decoder.decode_target(TOTAL))
        decoder.advance(*_interval(ends, symbol), TOTAL)
        return symbol

    return read


def _flag_interval(neighbours: int, *, changed: bool) -> tuple[int, int]:
    share = _STAYS[neighbours]
    return (share, _FLAG_TOTAL - share) if changed else (0, share)


def _read_flag(decoder: Decoder, neighbours: int) -> bool:
    changed = decoder.decode_target(_FLAG_TOTAL) >= _STAYS[neighbours]
    decoder.advance(*_flag_interval(neighbours, changed=changed), _FLAG_TOTAL)
    return changed
