"""The sender's encoders, in the cloud: what a device would say of a picture. They are loaded where they are.

    picture (H, W, 3) --squeezed into a square--> tokens (D, h, w), vector (size,)

The arithmetic is that of `edge.appearance` and `edge.embedding`, which the cloud does not import; a test
holds one against the other.
"""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.render.graph import Graph
from cloud.render.renderer import RenderError
from wire.bundle import Bundle, BundleError
from wire.golden import normalised
from wire.vector import Vector, VectorModel

Picture = NDArray[np.uint8]
Float = NDArray[np.float32]


class TokenEncoder:
    """The bundle's appearance encoder. Raises BundleError where it has none, or its file is not here."""

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        info = bundle.manifest.appearance
        if info is None:
            raise BundleError(f"{bundle.root}: the bundle has no [appearance]")
        self.levels = info.levels
        self._info = info
        self._graph = _graph(bundle, info.encoder, threads)
        name = next(iter(self._graph.outputs))
        shape = (1, 3, info.input_px, info.input_px)
        self._graph.check({"image": shape}, name, (1, info.planes, *info.grid), "[appearance]")

    def encode(self, picture: Picture) -> NDArray[np.uint8]:
        """Give the tokens (D, h, w) of a picture (H, W, 3). Raises RenderError."""
        square = _square(picture, self._info.input_px) / np.float32(255)
        image = np.asarray(square.transpose(2, 0, 1)[None], np.float32)
        values = self._graph.run({"image": image})[0]
        if values.shape != (self._info.planes, *self._info.grid) or not _within(values, self._info.levels):
            raise RenderError(f"{self._graph.path}: gave {values.shape}, no tokens below {self._info.levels}")
        return np.asarray(values, np.uint8)


class VectorEncoder:
    """The bundle's image embedding. Raises BundleError where it has none, or its file is not here."""

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        info, model = bundle.manifest.vector, bundle.vector_model()
        if info is None or model is None:
            raise BundleError(f"{bundle.root}: the bundle has no [vector]")
        self.model: VectorModel = model
        self._info = info
        self._graph = _graph(bundle, info.encoder, threads)
        name = next(iter(self._graph.outputs))
        shape = (1, 3, info.input_px, info.input_px)
        self._graph.check({"pixel_values": shape}, name, (1, info.size), "[vector]")
        self._scale = np.array(info.mean, np.float32), np.array(info.std, np.float32)

    def encode(self, picture: Picture) -> Vector:
        """Embed a picture (H, W, 3): int8 (size,). Raises RenderError."""
        square = _square(picture, self._info.input_px)
        values = self._graph.run({"pixel_values": normalised(square[None], *self._scale)})[0]
        if values.shape != (self._info.size,) or not np.isfinite(values).all():
            raise RenderError(f"{self._graph.path}: gave {values.shape}, no embedding of {self._info.size}")
        return self.model.quantise(values)


def _graph(bundle: Bundle, name: str, threads: int) -> Graph:
    bundle.check(name)  # of the other half, which nobody has looked at here
    return Graph(replace(bundle, half="both"), name, threads)


def _square(picture: Picture, side: int) -> Picture:
    method = cv2.INTER_AREA if min(picture.shape[:2]) >= side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (side, side), interpolation=method), np.uint8)


def _within(values: Float, levels: int) -> bool:
    return bool(np.isfinite(values).all() and values.min() >= 0 and values.max() < levels)
