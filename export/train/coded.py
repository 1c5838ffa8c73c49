"""Pictures as the far side sees them: through the appearance code that has been trained."""

import hashlib
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from export.train.appearance import Codec, load_decoder
from export.train.loop import load_average
from models.tiny.appearance import IMAGE_PX, PLANES, keep_planes, quantise

DEPTHS = (8, 12, 16, PLANES)  # planes of a keyframe


class TrainedCode:
    """Encodes and decodes pictures; `mark` differs from that of any other code."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec.eval()
        digest = hashlib.sha256()
        for value in codec.state_dict().values():
            digest.update(value.numpy().tobytes())
        self.mark = digest.digest()

    @classmethod
    def of(cls, checkpoints: Path) -> Self | None:
        """Load what lies in a folder of checkpoints, if a code does. Raises TrainingError."""
        if not (checkpoints / "appearance.pt").exists():
            return None
        codec = Codec()
        load_average(checkpoints / "appearance.pt", codec)
        load_decoder(checkpoints / "decoder.pt", codec)
        return cls(codec)

    @torch.inference_mode()
    def __call__(self, pictures: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
        """Give pictures (N, S, S, 3) as they are after coding, all to one random depth."""
        depth, side = int(random.choice(DEPTHS)), pictures.shape[1]
        if (pictures == pictures[:1]).all():
            return np.repeat(self._coded(pictures[:1], depth, side), len(pictures), axis=0)
        return self._coded(pictures, depth, side)

    def _coded(self, pictures: NDArray[np.uint8], depth: int, side: int) -> NDArray[np.uint8]:
        seen = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 255
        code = quantise(self._codec.encoder(_sized(seen, IMAGE_PX)))
        made = self._codec.decoder(keep_planes(code, torch.full((len(code),), depth)))
        shown = (_sized(made, side).clamp(0, 1) * 255).round().to(torch.uint8)
        return shown.permute(0, 2, 3, 1).numpy()


def _sized(pictures: torch.Tensor, side: int) -> torch.Tensor:
    return functional.interpolate(pictures, (side, side), mode="bilinear", antialias=True)
