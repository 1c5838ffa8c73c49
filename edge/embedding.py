"""Says in an embedding what a keyframe looks like."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.graph import Graph, ModelError
from edge.pixels import PixelTable
from edge.runtime import Runtime
from wire.bundle import Bundle, BundleError
from wire.vector import Vector


class EmbeddingEncoder:
    """The bundle's image embedding. It sees the whole frame, squeezed into a square."""

    def __init__(self, bundle: Bundle, runtime: Runtime | None = None) -> None:
        info, model = bundle.manifest.vector, bundle.vector_model()
        if info is None or model is None:
            raise BundleError(f"{bundle.root}: bundle {bundle.manifest.name} has no [vector]")
        self._info = info
        self._model = model
        self._table = PixelTable(info.mean, info.std)
        self._graph = (runtime or Runtime()).open(bundle.path(info.encoder), self._warm_up)
        self.graphs = {info.encoder: self._graph}

    def encode(self, keyframe: NDArray[np.uint8]) -> Vector:
        """Embed a keyframe (H, W, 3): int8 (size,), as `wire.vector` quantises it."""
        side = self._info.input_px
        method = cv2.INTER_AREA if min(keyframe.shape[:2]) >= side else cv2.INTER_LINEAR
        square = np.asarray(cv2.resize(keyframe, (side, side), interpolation=method), np.uint8)
        return self._model.quantise(self._values(self._graph, self._table.normalise(square)))

    def _warm_up(self, graph: Graph) -> None:
        info = self._info
        shape = (1, 3, info.input_px, info.input_px)
        graph.takes({"pixel_values": shape}, f"vector.input_px = {info.input_px}")
        self._values(graph, np.zeros(shape, np.float32))

    def _values(self, graph: Graph, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        results = graph.run({"pixel_values": pixels})
        values = np.asarray(next(iter(results.values())), np.float32)
        if values.shape != (1, self._info.size) or not np.isfinite(values).all():
            expected = f"finite (1, {self._info.size}), as vector.size says"
            raise ModelError(f"{graph.path}: gave {values.shape}, expected {expected}")
        return np.asarray(values[0])
