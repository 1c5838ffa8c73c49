"""Writes down what each graph must give, while PyTorch is at hand; `wire.golden` reads it."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from wire.golden import ENLARGE, GRIDS, TOKENS, Array, Sample, enlarged, normalised

GRAPH_SAMPLES = 4  # of each graph
CAPTIONS = 20  # frame grids whose greedy tokens must come out the same
_PICKED = 4096  # elements that are kept of a large output
_INPUT_BYTES = 1 << 24  # of the samples of one graph, pictures not counted

Pictures = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Pictures (N, S, S, 3) as they are stored, smaller by `factor`, and as graphs get them."""

    stored: Pictures
    factor: int
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @classmethod
    def of(
        cls,
        pictures: Pictures,
        mean: tuple[float, float, float] = (0.0, 0.0, 0.0),
        std: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> "Shown":
        """Shrink pictures (N, S, S, 3) to half, where S is even: a quarter of the bytes, and as real."""
        side = pictures.shape[1]
        if side % 2:
            return cls(pictures, 1, mean, std)
        small = [cv2.resize(p, (side // 2, side // 2), interpolation=cv2.INTER_AREA) for p in pictures]
        return cls(np.asarray(np.stack(small), np.uint8), 2, mean, std)

    @property
    def pixels(self) -> NDArray[np.float32]:
        """What an encoder reads: float32 (N, 3, S, S)."""
        return normalised(enlarged(self.stored, self.factor), np.array(self.mean), np.array(self.std))


class GoldenWriter:
    """Collects samples; `arrays` is the file's content."""

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}

    def add(self, graph: str, samples: Sequence[Sample], shown: Shown | None = None, name: str = "") -> None:
        """Keep samples of one graph. Those of its input `name` are the pictures of `shown`, in order.

        Of a graph with large inputs (a decoder that is fed all that its encoder gives) only the first ones.
        """
        each = sum(array.nbytes for inlet, array in samples[0].feeds.items() if inlet != name)
        samples = samples[: max(_INPUT_BYTES // max(each, 1), 1)]
        for inlet in samples[0].feeds:
            if shown is not None and inlet == name:
                self.arrays[f"{graph}|in|{inlet}"] = shown.stored[: len(samples)]
                self.arrays[f"{graph}|mean|{inlet}"] = np.array(shown.mean, np.float32)
                self.arrays[f"{graph}|std|{inlet}"] = np.array(shown.std, np.float32)
                self.arrays[f"{graph}|enlarge|{inlet}"] = np.array(shown.factor)
            else:
                self.arrays[f"{graph}|in|{inlet}"] = np.concatenate([s.feeds[inlet] for s in samples])
        for outlet in samples[0].results:
            self._keep(graph, outlet, np.concatenate([s.results[outlet] for s in samples]))

    def add_captions(self, shown: Shown, tokens: Sequence[Sequence[int]]) -> None:
        """Keep the greedy tokens of frame grids."""
        rows = np.full((len(tokens), max(map(len, tokens), default=0)), -1, np.int32)
        for row, said in zip(rows, tokens, strict=True):
            row[: len(said)] = said
        self.arrays |= {GRIDS: shown.stored, ENLARGE: np.array(shown.factor), TOKENS: rows}

    def _keep(self, graph: str, name: str, results: Array) -> None:
        flat = results.reshape(len(results), -1)
        if flat.shape[1] <= _PICKED or not np.issubdtype(results.dtype, np.floating):
            self.arrays[f"{graph}|out|{name}"] = results
            return
        picks = np.sort(np.random.default_rng(0).choice(flat.shape[1], _PICKED, replace=False))
        self.arrays[f"{graph}|pick|{name}"] = picks.astype(np.int32)
        self.arrays[f"{graph}|out|{name}"] = flat[:, picks]
