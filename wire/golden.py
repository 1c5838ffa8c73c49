"""What each graph of a bundle must give: inputs, and what PyTorch made of them when it was exported.

    {graph}|in|{input}       (K, ...)  of K samples; pictures as uint8 (K, H, W, 3), see below
    {graph}|out|{output}     (K, ...)  in the order of the samples
    {graph}|pick|{output}    (n,) int  only of large outputs: which elements of the flat (1, ...) are kept
    {graph}|mean|{input}     (3,)      only where the input is pictures: the graph gets (v/255 - mean)/std,
    {graph}|std|{input}      (3,)      transposed to (1, 3, H, W)
    {graph}|enlarge|{input}  ()        pictures are stored smaller by this whole factor
    captions|grids           (N, s, s, 3) uint8, captions|enlarge ()
    captions|tokens          (N, L) int32  greedy tokens of each, padded with -1

So a graph can be checked where there is no PyTorch, on the device itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]
Arrays = Mapping[str, Array]
GRIDS, TOKENS, ENLARGE = "captions|grids", "captions|tokens", "captions|enlarge"


class GoldenError(ValueError):
    """The golden file lacks something, or its parts do not fit; the message names the key."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One call of a graph: feeds by input name, each (1, ...), and what must come out.

    Of outputs named in `picks` only these elements are known.
    """

    feeds: Mapping[str, Array]
    results: Mapping[str, Array]
    picks: Mapping[str, Array] = field(default_factory=dict)

    def agreement(self, found: Mapping[str, Array]) -> "Agreement":
        """Compare what a graph gave; raises GoldenError for an output that is missing or of another shape."""
        kept = {
            name: array.reshape(1, -1)[:, self.picks[name]] if name in self.picks else array
            for name, array in found.items()
        }
        return agreement(self.results, kept)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near a graph came to PyTorch: worst absolute error, lowest cosine; share of equal integers.

    `scale` is the largest number that was expected: what an error is to be held against.
    """

    max_abs_error: float
    cosine: float
    equal: float
    scale: float = 0.0

    def worse(self, other: "Agreement") -> "Agreement":
        """Give the worse of both, number by number."""
        return Agreement(
            max(self.max_abs_error, other.max_abs_error),
            min(self.cosine, other.cosine),
            min(self.equal, other.equal),
            max(self.scale, other.scale),
        )


PERFECT = Agreement(0.0, 1.0, 1.0)


class Golden:
    """The samples of every graph, and captions of whole grids."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays

    def graphs(self) -> tuple[str, ...]:
        """Name the graphs that have samples."""
        return tuple(sorted({key.split("|")[0] for key in self._arrays} - {"captions"}))

    def samples(self, graph: str) -> list[Sample]:
        """Give what is known of one graph, or raise GoldenError."""
        inputs, outputs = self._named(f"{graph}|in|"), self._named(f"{graph}|out|")
        counts = {len(array) for array in (*inputs.values(), *outputs.values())}
        if not inputs or not outputs or len(counts) != 1:
            raise GoldenError(f"golden data of {graph} has {sorted(counts)} samples of inputs and outputs")
        fed = {name: self._fed(graph, name, array) for name, array in inputs.items()}
        return [
            Sample(
                {name: array[at : at + 1] for name, array in fed.items()},
                {name: array[at : at + 1] for name, array in outputs.items()},
                self._named(f"{graph}|pick|"),
            )
            for at in range(counts.pop())
        ]

    def grids(self) -> NDArray[np.uint8]:
        """Give the frame grids (N, S, S, 3) whose captions are known; none where the bundle has none."""
        if GRIDS not in self._arrays:
            return np.empty((0, 1, 1, 3), np.uint8)
        factor = int(self._arrays.get(ENLARGE, np.int64(1)))
        return enlarged(np.asarray(self._arrays[GRIDS], np.uint8), factor)

    def tokens(self) -> list[list[int]]:
        """Give the greedy tokens of each grid, without start and end."""
        if TOKENS not in self._arrays:
            return []
        return [[token for token in row if token >= 0] for row in self._arrays[TOKENS].tolist()]

    def _named(self, prefix: str) -> dict[str, Array]:
        return {
            key.removeprefix(prefix): array for key, array in self._arrays.items() if key.startswith(prefix)
        }

    def _fed(self, graph: str, name: str, array: Array) -> Array:
        mean = self._arrays.get(f"{graph}|mean|{name}")
        if mean is None:
            return array
        std = self._arrays.get(f"{graph}|std|{name}")
        if std is None or array.ndim != 4 or array.shape[3] != 3:
            raise GoldenError(f"golden data of {graph}: {name} has a mean, but is no picture or has no std")
        factor = int(self._arrays.get(f"{graph}|enlarge|{name}", np.int64(1)))
        return normalised(enlarged(np.asarray(array, np.uint8), factor), mean, std)


def enlarged(pictures: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Repeat each pixel of (N, H, W, 3) `factor` times both ways."""
    return pictures.repeat(factor, axis=1).repeat(factor, axis=2)


def normalised(pictures: NDArray[np.uint8], mean: Array, std: Array) -> NDArray[np.float32]:
    """Turn pictures (N, H, W, 3) into what encoders read: float32 (N, 3, H, W)."""
    values = (pictures.astype(np.float32) / np.float32(255) - np.asarray(mean, np.float32)) / np.asarray(
        std, np.float32
    )
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def agreement(expected: Mapping[str, Array], found: Mapping[str, Array]) -> Agreement:
    """Compare outputs by name; raises GoldenError for one that is missing or has another shape."""
    result = PERFECT
    for name, wanted in expected.items():
        if name not in found or found[name].shape != wanted.shape:
            shape = found[name].shape if name in found else "nothing"
            raise GoldenError(f"output {name} is {shape}, expected {wanted.shape}")
        result = result.worse(_compared(wanted, found[name]))
    return result


def _compared(wanted: Array, found: Array) -> Agreement:
    if np.issubdtype(wanted.dtype, np.integer) or wanted.dtype == np.bool_:
        return Agreement(0.0, 1.0, float((wanted == found).mean()) if wanted.size else 1.0)
    a, b = wanted.astype(np.float64).ravel(), found.astype(np.float64).ravel()
    if not np.isfinite(b).all():
        return Agreement(float("inf"), -1.0, 1.0, float(np.abs(a).max(initial=0.0)))
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    cosine = float(a @ b) / norm if norm else float(np.array_equal(a, b))
    return Agreement(float(np.abs(a - b).max(initial=0.0)), cosine, 1.0, float(np.abs(a).max(initial=0.0)))
