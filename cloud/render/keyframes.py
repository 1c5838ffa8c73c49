"""The token decoder of a bundle: what keyframes look like, on ONNX Runtime.

    tokens uint8 (D, h, w) --> code float32 (1, planes, h, w) in -1..1 --> picture uint8 (S, S, 3)

Where a token is UNKNOWN the code is 0.
"""

import numpy as np
from numpy.typing import NDArray

from cloud.render.graph import Graph
from cloud.render.renderer import RenderError
from wire.bundle import Bundle, BundleError
from wire.neighbours import UNKNOWN

Picture = NDArray[np.uint8]


class KeyframeDecoder:
    """Decodes with the `decoder` of the bundle's renderer.

    Raises BundleError for a bundle without one, or whose decoder is damaged or of other sizes.
    """

    def __init__(self, bundle: Bundle, threads: int, *, gpu: bool = False) -> None:
        decoder, appearance = bundle.manifest.renderer.decoder, bundle.manifest.appearance
        if decoder is None or appearance is None:
            raise BundleError(f"{bundle.root}: keyframes need [appearance], and a decoder under [renderer]")
        self._levels = appearance.levels
        self._shape = (appearance.planes, *appearance.grid)
        self._decoder = Graph(bundle, decoder, threads, gpu=gpu)
        self._decoder.check(
            {"code": (None, *self._shape)}, "image", (None, 3, None, None),
            "[renderer] decoder with [appearance] planes and grid",
        )  # fmt: skip

    def decode(self, tokens: NDArray[np.uint8] | None) -> Picture:
        """Give the picture (S, S, 3) of tokens (D, h, w); UNKNOWN ones are between two levels.

        Raises RenderError.
        """
        planes, *grid = self._shape
        code = np.zeros((1, *self._shape), np.float32)
        if tokens is not None:
            if tokens.shape[0] > planes or tokens.shape[1:] != tuple(grid):
                raise RenderError(f"tokens have shape {tokens.shape}, the bundle has {self._shape}")
            values = tokens * np.float32(2 / (self._levels - 1)) - 1
            code[0, : len(tokens)] = np.where(tokens == UNKNOWN, np.float32(0), values)
        picture = self._decoder.run({"code": code})
        return np.asarray((picture[0].transpose(1, 2, 0) * 255).round().clip(0, 255), np.uint8)
