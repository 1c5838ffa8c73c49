"""Says in tokens what a keyframe looks like."""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.graph import Array, Graph, ModelError
from edge.runtime import Runtime
from wire.bundle import AppearanceInfo, Bundle, BundleError


class AppearanceEncoder:
    """The bundle's image tokenizer. It sees the whole frame, squeezed into a square."""

    def __init__(self, bundle: Bundle, runtime: Runtime | None = None) -> None:
        info = bundle.manifest.appearance
        if info is None:
            raise BundleError(f"{bundle.root}: bundle {bundle.manifest.name} has no [appearance]")
        self._info = info
        self._graph = (runtime or Runtime()).open(bundle.path(info.encoder), self._warm_up)
        self.graphs = {info.encoder: self._graph}

    def encode(self, keyframe: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Tokens (D, h, w), each below the bundle's levels, of a keyframe (H, W, 3)."""
        side = self._info.input_px
        shrinking = min(keyframe.shape[:2]) >= side
        method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
        square = np.asarray(cv2.resize(keyframe, (side, side), interpolation=method), np.float32) / 255
        results = self._graph.run({"image": square.transpose(2, 0, 1)[None]})
        return _checked(results, self._graph, self._info)

    def _warm_up(self, graph: Graph) -> None:
        info = self._info
        shape = (1, 3, info.input_px, info.input_px)
        graph.takes({"image": shape}, f"appearance.input_px = {info.input_px}")
        because = f"appearance.planes = {info.planes}, appearance.grid = {list(info.grid)}"
        graph.gives(next(iter(graph.outputs)), (1, info.planes, *info.grid), because)
        _checked(graph.run({"image": np.zeros(shape, np.float32)}), graph, info)


def _checked(results: Mapping[str, Array], graph: Graph, info: AppearanceInfo) -> NDArray[np.uint8]:
    expected = (1, info.planes, *info.grid)
    values = np.asarray(next(iter(results.values())), np.int64)
    if values.shape != expected or values.min() < 0 or values.max() >= info.levels:
        raise ModelError(
            f"{graph.path}: gave tokens {values.shape} up to {values.max()}, but appearance.planes, "
            f"appearance.grid and appearance.levels make them {expected} below {info.levels}"
        )
    return np.asarray(values[0], np.uint8)
