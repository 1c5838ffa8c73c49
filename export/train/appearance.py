"""Trains the appearance code: encoder and decoder together, on pictures and single frames."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from export.data import footage
from export.train.perceptual import FeatureDistance
from models.tiny.appearance import (
    IMAGE_PX,
    PLANES,
    AppearanceDecoder,
    AppearanceEncoder,
    keep_planes,
    quantise,
)

SHORT_PX = 224
FRAMES_PER_SECOND = 3.0
COARSE_PLANES = 4
FEATURE_WEIGHT = 0.08
COLOUR_WEIGHT = 1.0  # of means over 16x16 pixels: features hardly tell green from orange
PERMUTED = 0.25  # share of crops with their channels permuted, so that every hue gets a code


class Codec(nn.Module):
    """Both halves under one name, so that one checkpoint holds them."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = AppearanceEncoder()
        self.decoder = AppearanceDecoder()


class AppearanceTask:
    """Reconstruct random crops from random prefixes of their code: L1, mean colours, feature distance."""

    def __init__(self, folder: Path, device: torch.device, batch: int = 16) -> None:
        self._pictures = load_pictures(folder)
        self._device, self._batch = device, batch
        self.network = Codec().to(device)
        self._distance = FeatureDistance().to(device)

    def loss(self, generator: torch.Generator) -> tuple[Tensor, Mapping[str, float]]:
        wanted = self._draw(generator).to(self._device)
        counts = torch.randint(COARSE_PLANES, PLANES + 1, (self._batch,), generator=generator)
        with torch.autocast(self._device.type, torch.bfloat16):
            code = quantise(self.network.encoder(wanted))
            made = self.network.decoder(keep_planes(code, counts.to(self._device))).float()
            features = self._distance(made.clamp(0, 1), wanted)
        error = functional.l1_loss(made, wanted)
        error = error + COLOUR_WEIGHT * functional.l1_loss(
            functional.avg_pool2d(made, 16), functional.avg_pool2d(wanted, 16)
        )
        psnr = -10 * torch.log10(functional.mse_loss(made.detach(), wanted)).item()
        return error + FEATURE_WEIGHT * features, {"psnr": psnr, "feature": features.item()}

    def _draw(self, generator: torch.Generator) -> Tensor:
        picks = torch.randint(len(self._pictures), (self._batch,), generator=generator)
        crops = [random_crop(self._pictures[int(i)], IMAGE_PX, generator) for i in picks]
        return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255


def load_pictures(folder: Path) -> Sequence[NDArray[np.uint8]]:
    """All training pictures of a footage folder: photographs and frames, held-out sources left out."""
    pictures = [
        footage.read_photo(path, SHORT_PX) for path in footage.photos(folder) if not footage.is_held_out(path)
    ]
    for path in footage.clips(folder):
        if not footage.is_held_out(path):
            pictures += [frame for _, frame in footage.read_frames(path, SHORT_PX, FRAMES_PER_SECOND)]
    if not pictures:
        raise footage.FootageError(f"{folder} holds no picture or clip to train on")
    return pictures


def random_crop(picture: NDArray[np.uint8], side: int, generator: torch.Generator) -> NDArray[np.uint8]:
    """Crop half to all of a picture, squash it to (side, side, 3), and mirror it half of the time."""
    height, width = picture.shape[:2]
    scale, right, down, mirror, permute = torch.rand(5, generator=generator).tolist()
    share = 1.0 if scale > 0.6 else 0.5 + scale / 1.2  # 40 % are whole frames, as on the device
    h, w = round(height * share), round(width * share)
    y, x = round((height - h) * down), round((width - w) * right)
    crop = cv2.resize(picture[y : y + h, x : x + w], (side, side), interpolation=cv2.INTER_AREA)
    if permute < PERMUTED:
        crop = crop[..., torch.randperm(3, generator=generator).tolist()]
    return np.ascontiguousarray(crop[:, ::-1] if mirror < 0.5 else crop).astype(np.uint8)
