"""An image embedding as bits: one small whole number a dimension, range-coded with a static table.

    values float32 (D,) --minus mean, over step--> int8 (D,) --one table for all--> bytes

Subtracting what all pictures have in common and measuring each dimension in its own deviation gives every
one the same bell curve, so that one table codes them all, at about half the bytes of the plain int8 vector.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from wire.packet import PacketError
from wire.rangecoder import Decoder, Encoder, RangeCoderError

LIMIT = 127  # quantised values are -127 to 127
SYMBOLS = 2 * LIMIT + 1
MAX_SIZE = 4096  # dimensions
TOTAL = 1 << 16

Vector = NDArray[np.int8]


class VectorError(PacketError):
    """The vector cannot be sent, or the bytes are no vector."""


class VectorModel:
    """Quantises and codes embeddings of `size` dimensions; coding is integer arithmetic only."""

    def __init__(
        self, mean: NDArray[np.float32], step: NDArray[np.float32], frequencies: NDArray[np.int64]
    ) -> None:
        self._mean = mean
        self._step = step
        self._frequencies = frequencies.tolist()
        self._starts = np.concatenate([[0], frequencies.cumsum()])

    @classmethod
    def from_arrays(cls, tables: Mapping[str, NDArray[np.generic]]) -> "VectorModel":
        """Read tables as the builder wrote them, or raise VectorError."""
        try:
            mean, step = (np.asarray(tables[name], np.float32) for name in ("mean", "step"))
            frequencies = np.asarray(tables["frequencies"], np.int64)
        except (KeyError, ValueError) as error:
            raise VectorError(f"vector tables are incomplete: {error}") from error
        if mean.ndim != 1 or mean.shape != step.shape or not 1 <= len(mean) <= MAX_SIZE:
            raise VectorError(f"vector tables have a mean {mean.shape} and steps {step.shape}")
        if not (np.isfinite(mean).all() and np.isfinite(step).all() and (step > 0).all()):
            raise VectorError("vector tables have a mean or a step that is no number, or a step of 0")
        if frequencies.shape != (SYMBOLS,) or frequencies.min() < 1 or frequencies.sum() != TOTAL:
            raise VectorError(f"vector tables have frequencies {frequencies.shape}, sum {frequencies.sum()}")
        return cls(mean, step, frequencies)

    @property
    def size(self) -> int:
        """How many dimensions there are."""
        return len(self._mean)

    def quantise(self, values: NDArray[np.float32]) -> Vector:
        """Round an embedding (D,) to steps; what lies beyond them is clipped."""
        if values.shape != self._mean.shape or not np.isfinite(values).all():
            raise VectorError(f"embedding has shape {values.shape}, expected {self._mean.shape}, all finite")
        steps = np.round((values - self._mean) / self._step)
        return np.asarray(np.clip(steps, -LIMIT, LIMIT), np.int8)

    def dequantise(self, vector: Vector) -> NDArray[np.float32]:
        """Give the embedding float32 (D,) that a quantised one stands for."""
        return np.asarray(vector.astype(np.float32) * self._step + self._mean, np.float32)

    def likeness(self, one: Vector, other: Vector) -> float:
        """Give the cosine of two embeddings, -1 to 1."""
        a, b = self.dequantise(one), self.dequantise(other)
        return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))

    def encode(self, vector: Vector) -> bytes:
        """Code a quantised vector (D,); raises VectorError for another shape."""
        if vector.shape != self._mean.shape or vector.dtype != np.int8 or vector.min() < -LIMIT:
            raise VectorError(f"vector is {vector.dtype} {vector.shape}, expected int8 {self._mean.shape}")
        encoder = Encoder()
        for symbol in (vector.astype(np.int64) + LIMIT).tolist():
            encoder.encode(int(self._starts[symbol]), self._frequencies[symbol], TOTAL)
        return encoder.finish() or b"\0"  # no layer is empty but the one that says "as before"

    def decode(self, data: bytes) -> Vector:
        """Read a vector back, or raise VectorError."""
        decoder = Decoder(data)
        symbols = np.empty(self.size, np.int64)
        try:
            for place in range(self.size):
                symbol = int(self._starts.searchsorted(decoder.decode_target(TOTAL), "right")) - 1
                decoder.advance(int(self._starts[symbol]), self._frequencies[symbol], TOTAL)
                symbols[place] = symbol
            decoder.finish()
        except RangeCoderError as error:
            raise VectorError(f"vector: {error}") from error
        return np.asarray(symbols - LIMIT, np.int8)
