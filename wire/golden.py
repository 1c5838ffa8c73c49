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
_MOST_ENLARGED = 64  # times
_MOST_VALUES = 1 << 28  # of enlarged pictures
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
        kept = {name: self._kept(name, array) for name, array in found.items()}
        return agreement(self.results, kept)

    def _kept(self, name: str, array: Array) -> Array:
        picks = self.picks.get(name)
        if picks is None:
            return array
        if picks.max(initial=0) >= array.size:
            raise GoldenError(f"output {name} has {array.size} elements, expected more than {picks.max()}")
        return array.reshape(1, -1)[:, picks]


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
        every = (*inputs.values(), *outputs.values())
        if not all(array.ndim for array in every):
            raise GoldenError(f"golden data of {graph} has an input or output that is a single number")
        counts = {len(array) for array in every}
        if not inputs or not outputs or len(counts) != 1:
            raise GoldenError(f"golden data of {graph} has {sorted(counts)} samples of inputs and outputs")
        picks = self._picks(graph)
        fed = {name: self._fed(graph, name, array) for name, array in inputs.items()}
        return [
            Sample(
                {name: array[at : at + 1] for name, array in fed.items()},
                {name: array[at : at + 1] for name, array in outputs.items()},
                picks,
            )
            for at in range(counts.pop())
        ]

    def grids(self) -> NDArray[np.uint8]:
        """Give the frame grids (N, S, S, 3) whose captions are known; none where the bundle has none."""
        if GRIDS not in self._arrays:
            return np.empty((0, 1, 1, 3), np.uint8)
        return self._pictures(GRIDS, ENLARGE)

    def tokens(self) -> list[list[int]]:
        """Give the greedy tokens of each grid, without start and end."""
        if TOKENS not in self._arrays:
            return []
        rows = self._arrays[TOKENS]
        if rows.ndim != 2 or rows.dtype.kind not in "iu":
            raise GoldenError(f"{TOKENS} are {rows.dtype} {rows.shape}, expected integers (N, L)")
        return [[token for token in row if token >= 0] for row in rows.tolist()]

    def _named(self, prefix: str) -> dict[str, Array]:
        return {
            key.removeprefix(prefix): array for key, array in self._arrays.items() if key.startswith(prefix)
        }

    def _fed(self, graph: str, name: str, array: Array) -> Array:
        mean = self._arrays.get(f"{graph}|mean|{name}")
        if mean is None:
            return array
        std = self._arrays.get(f"{graph}|std|{name}")
        if std is None or not _is_colour(mean) or not _is_colour(std) or not std.all():
            raise GoldenError(f"golden data of {graph}: {name} has a mean, but not both mean and std of RGB")
        return normalised(self._pictures(f"{graph}|in|{name}", f"{graph}|enlarge|{name}"), mean, std)

    def _picks(self, graph: str) -> dict[str, Array]:
        picks = self._named(f"{graph}|pick|")
        for name, array in picks.items():
            if array.ndim != 1 or array.dtype.kind not in "iu" or array.min(initial=0) < 0:
                raise GoldenError(f"golden data of {graph}: pick of {name} is no list of places")
        return picks

    def _pictures(self, key: str, enlarge: str) -> NDArray[np.uint8]:
        """Give stored pictures in the size that graphs get."""
        pictures, factor = self._arrays[key], self._arrays.get(enlarge, np.int64(1))
        if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3:
            raise GoldenError(
                f"golden data of {key} are {pictures.dtype} {pictures.shape}, expected uint8 (N, H, W, 3)"
            )
        times = 0 if factor.ndim or factor.dtype.kind not in "iu" else int(factor)
        if not 1 <= times <= _MOST_ENLARGED:
            raise GoldenError(f"{enlarge} is {factor}, expected 1 to {_MOST_ENLARGED}")
        if pictures.size * times**2 > _MOST_VALUES:
            raise GoldenError(
                f"golden data of {key} are {pictures.shape}, {times} times enlarged: more than {_MOST_VALUES}"
            )
        return enlarged(np.asarray(pictures, np.uint8), times)


def _is_colour(values: Array) -> bool:
    """Whether these are three numbers such as means and deviations of pixels in 0..1."""
    return values.shape == (3,) and values.dtype.kind == "f" and bool((np.abs(values) < 1e6).all())


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
    if not (np.isfinite(a).all() and np.isfinite(b).all()):  # nor is a model that gives no number verified
        return Agreement(float("inf"), -1.0, 1.0, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):  # only ever of a bundle's own nonsense
        norm = float(np.linalg.norm(a) * np.linalg.norm(b))
        cosine = float(a @ b) / norm if norm else float(np.array_equal(a, b))
    return Agreement(float(np.abs(a - b).max(initial=0.0)), cosine, 1.0, float(np.abs(a).max(initial=0.0)))
