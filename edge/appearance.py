"""Says in tokens what a keyframe looks like."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.runtime import ModelError, open_session
from wire.bundle import Bundle, BundleError


class AppearanceEncoder:
    """The bundle's image tokenizer. It sees the whole frame, squeezed into a square."""

    def __init__(self, bundle: Bundle, threads: int = 1, engine_cache: Path | None = None) -> None:
        info = bundle.manifest.appearance
        if info is None:
            raise BundleError(f"{bundle.root}: bundle {bundle.manifest.name} has no [appearance]")
        self._info = info
        self._session = open_session(bundle.path(info.encoder), threads, engine_cache)

    def encode(self, keyframe: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Tokens (D, h, w), each below the bundle's levels, of a keyframe (H, W, 3)."""
        side = self._info.input_px
        shrinking = min(keyframe.shape[:2]) >= side
        method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
        square = np.asarray(cv2.resize(keyframe, (side, side), interpolation=method), np.float32) / 255
        tokens = np.asarray(self._session.run(None, {"image": square.transpose(2, 0, 1)[None]})[0])
        expected = (1, self._info.planes, *self._info.grid)
        if tokens.shape != expected or tokens.min() < 0 or tokens.max() >= self._info.levels:
            raise ModelError(
                f"{self._info.encoder}: gave tokens {tokens.shape} up to {tokens.max()}, "
                f"bundle says {expected} below {self._info.levels}"
            )
        return np.asarray(tokens[0], np.uint8)
