"""The device's own runtime, as `export` is given it to check graphs with."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.captioner import Captioner
from edge.runtime import Runtime
from wire.bundle import Bundle
from wire.golden import Array


class EdgeRuntime:
    """Runs graphs as a device does, on what is there."""

    def __init__(self, threads: int = 1) -> None:
        self._runtime = Runtime(threads)

    def graph(self, path: Path) -> Callable[[Mapping[str, Array]], Mapping[str, Array]]:
        """Load one graph: feeds by name to results by name."""
        return self._runtime.open(path).run

    def captioner(self, bundle: Bundle) -> Callable[[NDArray[np.uint8]], list[int]]:
        """Load the captioner: a frame grid (S, S, 3) to greedy tokens."""
        return Captioner(bundle, self._runtime).tokens
