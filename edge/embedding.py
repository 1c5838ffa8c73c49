"""Says in an embedding what a keyframe looks like."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.runtime import ModelError, open_session
from wire.bundle import Bundle, BundleError
from wire.golden import normalised
from wire.vector import Vector


class EmbeddingEncoder:
    """The bundle's image embedding. It sees the whole frame, squeezed into a square."""

    def __init__(self, bundle: Bundle, threads: int = 1, engine_cache: Path | None = None) -> None:
        info, model = bundle.manifest.vector, bundle.vector_model()
        if info is None or model is None:
            raise BundleError(f"{bundle.root}: bundle {bundle.manifest.name} has no [vector]")
        self._info = info
        self._model = model
        self._session = open_session(bundle.path(info.encoder), threads, engine_cache)

    def encode(self, keyframe: NDArray[np.uint8]) -> Vector:
        """Embed a keyframe (H, W, 3): int8 (size,), as `wire.vector` quantises it."""
        info, side = self._info, self._info.input_px
        method = cv2.INTER_AREA if min(keyframe.shape[:2]) >= side else cv2.INTER_LINEAR
        square = np.asarray(cv2.resize(keyframe, (side, side), interpolation=method), np.uint8)
        pixels = normalised(square[None], np.array(info.mean), np.array(info.std))
        values = np.asarray(self._session.run(None, {"pixel_values": pixels})[0], np.float32)
        if values.shape != (1, info.size) or not np.isfinite(values).all():
            raise ModelError(f"{info.encoder}: gave {values.shape}, expected finite (1, {info.size})")
        return self._model.quantise(values[0])
