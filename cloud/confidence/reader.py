"""Describes pictures as the senders of a bundle do, by its finest code, and compares such descriptions."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cloud.confidence.calibration import measure_of
from cloud.confidence.codes import TOKENS, VECTOR, tokens_alike, vectors_alike
from cloud.confidence.encoder import TokenEncoder, VectorEncoder
from wire.bundle import Bundle, BundleError
from wire.segment import Segment

Frames = NDArray[np.uint8]


class Reader:
    """Describes pictures as the senders of one bundle do, and compares; raises BundleError if it cannot."""

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        self.measure = measure_of(bundle)
        if self.measure is None:
            raise BundleError(f"bundle {bundle.manifest.name} has no code of what a keyframe looks like")
        self._tokens = TokenEncoder(bundle, threads) if self.measure == TOKENS else None
        self._vectors = VectorEncoder(bundle, threads) if self.measure == VECTOR else None

    def describe(self, picture: Frames, like: Segment) -> Segment | None:
        """Give a segment whose code is that of a picture (H, W, 3); None where `like` has none to compare."""
        if self._tokens is not None:
            return None if like.tokens is None else replace(like, tokens=self._tokens.encode(picture))
        if self._vectors is not None:
            return None if like.vector is None else replace(like, vector=self._vectors.encode(picture))
        return None

    def alike(self, one: Segment, other: Segment) -> float | None:
        """Compare the codes of two segments: 0 to 1, None where one of them has none."""
        if self._tokens is not None and one.tokens is not None and other.tokens is not None:
            return tokens_alike(one.tokens, other.tokens, self._tokens.levels)
        if self._vectors is not None and one.vector is not None and other.vector is not None:
            return vectors_alike(one.vector, other.vector, self._vectors.model)
        return None
