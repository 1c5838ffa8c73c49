"""Trains the appearance code on pictures and single frames.

appearance   encoder and decoder: error + features + bits x a price that keeps whole codes at TARGET_BYTES
decoder      then the decoder alone, for features above all: no token changes any more
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from export.data import footage
from export.train.loop import TrainingError, load_average
from export.train.perceptual import DEEP_TAPS, FeatureDistance
from export.train.rate import TokenRate
from models.tiny.appearance import (
    GRID,
    IMAGE_PX,
    LEVELS,
    PICTURE_PX,
    PLANES,
    AppearanceDecoder,
    AppearanceEncoder,
    fit_synthesis,
    keep_planes,
    quantise,
    set_components,
)

TARGET_BYTES = 290.0  # of all planes of a keyframe that is coded by itself
FRAMES_PER_SECOND = 3.0
MOST_PICTURES = 20_000  # of 196 kB each
COARSE_PLANES = 4
WHOLE, PATCHY = 0.35, 0.2  # shares of codes with all planes, and with another depth in part of the cells
SQUARED_WEIGHT, FEATURE_WEIGHT = 6.0, 0.1
DECODER_FEATURE_WEIGHT = 0.25
_STEP = 250 / 127.5  # of a level at the start, in units of a component: costs about TARGET_BYTES
_LINEAR_PICTURES = 4000
_FEATURE_PX = 128


class Codec(nn.Module):
    """Both halves under one name, so that one checkpoint holds them, and what training needs beside them."""

    price: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.encoder = AppearanceEncoder()
        self.decoder = AppearanceDecoder()
        self.rate = TokenRate(PLANES)
        self.register_buffer("price", torch.tensor(2e-5))  # of a bit


class AppearanceTask:
    """Reconstruct random crops from random prefixes of their code, as well as their price allows."""

    def __init__(self, folder: Path, device: torch.device, batch: int = 8) -> None:
        self._crops = Crops(folder, device, batch)
        self._device, self._batch = device, batch
        self.network = Codec().to(device)
        self._features = Features(device)
        some = self._crops.some(_LINEAR_PICTURES)
        set_components(self.network.encoder, some, _STEP)
        fit_synthesis(self.network.decoder, sent_codes(self.network.encoder, some), some)

    def loss(self, generator: torch.Generator) -> tuple[Tensor, Mapping[str, float]]:
        wanted = self._crops.draw(generator)
        depth = draw_depths(self._batch, generator).to(self._device)
        noise = torch.rand((self._batch, PLANES, GRID, GRID), generator=generator).to(self._device) - 0.5
        with torch.autocast(self._device.type, torch.bfloat16):
            code = self.network.encoder(to_input(wanted)).float()
            sent = keep_planes(quantise(code), depth)
            made = self.network.decoder(sent).float()
            features = self._features(made.clamp(0, 1), wanted, generator)
        scale = (LEVELS - 1) / 2
        bits = self.network.rate(code * scale + noise, quantise(code).detach() * scale)
        bits = keep_planes(bits, depth).sum((1, 2, 3))
        self._adjust_price(bits, depth)
        squared = functional.mse_loss(made, wanted)
        error = functional.l1_loss(made, wanted) + SQUARED_WEIGHT * squared
        loss = error + FEATURE_WEIGHT * features + self.network.price * bits.mean()
        psnr = -10 * torch.log10(squared.detach()).item()
        return loss, {"psnr": psnr, "feature": features.item(), "bytes": bits.mean().item() / 8}

    def _adjust_price(self, bits: Tensor, depth: Tensor) -> None:
        whole = (depth == PLANES).all((1, 2))
        if whole.any():
            off = bits.detach()[whole].mean() / 8 / TARGET_BYTES - 1
            self.network.price *= torch.exp(0.001 * off.clamp(-1, 1))


class DecoderTask:
    """Reconstruct from the tokens of a trained encoder, `codec`'s, which stay as they are."""

    def __init__(self, codec: Codec, folder: Path, device: torch.device, batch: int = 8) -> None:
        self._encoder = codec.encoder.to(device).eval().requires_grad_(requires_grad=False)
        self.network = FittedDecoder(codec).to(device)
        self._crops, self._features = Crops(folder, device, batch), Features(device)
        self._device, self._batch = device, batch
        some = self._crops.some(_LINEAR_PICTURES)
        fit_synthesis(self.network.decoder, sent_codes(self._encoder, some), some)

    def loss(self, generator: torch.Generator) -> tuple[Tensor, Mapping[str, float]]:
        wanted = self._crops.draw(generator)
        depth = draw_depths(self._batch, generator).to(self._device)
        with torch.no_grad():
            sent = keep_planes(quantise(self._encoder(to_input(wanted))), depth)
        with torch.autocast(self._device.type, torch.bfloat16):
            made = self.network.decoder(sent).float()
            features = self._features(made.clamp(0, 1), wanted, generator)
        error = functional.l1_loss(made, wanted)
        psnr = -10 * torch.log10(functional.mse_loss(made.detach(), wanted)).item()
        return error + DECODER_FEATURE_WEIGHT * features, {"psnr": psnr, "feature": features.item()}


class FittedDecoder(nn.Module):
    """The decoder of a codec with the mark of its encoder; weights of another encoder's are refused."""

    mark: Tensor

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        self.decoder = codec.decoder
        weights = torch.cat([value.flatten().cpu().double() for value in codec.encoder.state_dict().values()])
        self.register_buffer("mark", torch.stack([weights.sum(), weights.abs().sum()]).float())
        self.register_load_state_dict_pre_hook(_refuse_other_encoders)


def _refuse_other_encoders(fitted: nn.Module, state: Mapping[str, Tensor], *_: object) -> None:
    if not torch.equal(state["mark"].cpu(), fitted.get_buffer("mark").cpu()):
        raise TrainingError("decoder.pt belongs to another encoder than appearance.pt: delete it")


def load_decoder(checkpoint: Path, codec: Codec) -> None:
    """Take the decoder of `checkpoint` into `codec`, if there is one.

    Raises TrainingError if it was trained for another encoder.
    """
    if not checkpoint.exists():
        return
    load_average(checkpoint, FittedDecoder(codec))


class Crops:
    """Training pictures on the device, and random crops of them."""

    def __init__(self, folder: Path, device: torch.device, batch: int) -> None:
        self._pictures = load_pictures(folder).to(device)
        self._batch = batch

    def draw(self, generator: torch.Generator) -> Tensor:
        """Crops (batch, 3, 256, 256) in 0..1."""
        picks = torch.randint(len(self._pictures), (self._batch,), generator=generator)
        return random_crops(self._pictures[picks.to(self._pictures.device)].float() / 255, generator)

    def some(self, count: int) -> Tensor:
        """About `count` whole pictures as the encoder takes them (N, 3, 128, 128)."""
        chosen = self._pictures[:: -(-len(self._pictures) // count)]
        return torch.cat([to_input(part.float() / 255) for part in chosen.split(64)])


class Features:
    """Distance in turns of a part at full size, for what is sharp, and of the whole, for what it shows."""

    def __init__(self, device: torch.device) -> None:
        self._distance = FeatureDistance(DEEP_TAPS).to(device)

    def __call__(self, made: Tensor, wanted: Tensor, generator: torch.Generator) -> Tensor:
        if torch.rand((), generator=generator) < 0.5:
            y, x = torch.randint(PICTURE_PX - _FEATURE_PX + 1, (2,), generator=generator).tolist()
            part = (..., slice(y, y + _FEATURE_PX), slice(x, x + _FEATURE_PX))
            return self._distance(made[part], wanted[part])
        share = PICTURE_PX // _FEATURE_PX
        return self._distance(functional.avg_pool2d(made, share), functional.avg_pool2d(wanted, share))


def to_input(pictures: Tensor) -> Tensor:
    """Pictures (B, 3, 256, 256) at the encoder's size."""
    return functional.avg_pool2d(pictures, PICTURE_PX // IMAGE_PX)


def sent_codes(encoder: AppearanceEncoder, pictures: Tensor) -> Tensor:
    """Quantised codes (N, PLANES, 8, 8) of pictures (N, 3, 128, 128), of random depths as in training."""
    depths = draw_depths(len(pictures), torch.Generator().manual_seed(0)).to(pictures.device)
    with torch.inference_mode():
        codes = torch.cat([quantise(encoder(part)) for part in pictures.split(64)])
        return keep_planes(codes, depths)


def draw_depths(count: int, generator: torch.Generator) -> Tensor:
    """How many planes each cell is given (count, GRID, GRID): all, a prefix, or two prefixes side by side."""
    first, second = torch.randint(COARSE_PLANES, PLANES + 1, (2, count, 1, 1), generator=generator)
    chance = torch.rand((2, count, 1, 1), generator=generator)
    first = torch.where(chance[0] < WHOLE, PLANES, first)
    field = functional.interpolate(
        torch.rand((count, 1, 3, 3), generator=generator), size=GRID, mode="bilinear"
    )
    other = (chance[1] < PATCHY) & (field[:, 0] > 0.5)
    return torch.where(other, second, first)


def random_crops(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Crop 0.7 to all of pictures (B, 3, S, S), mirror half of them; half stay whole, as on the device."""
    count = len(pictures)
    scale, right, down, mirror = torch.rand((4, count), generator=generator)
    share = torch.where(scale > 0.5, 1.0, 0.7 + 0.6 * scale)
    flip = torch.where(mirror < 0.5, -1.0, 1.0)
    zero = torch.zeros(count)
    across = torch.stack([share * flip, zero, (2 * right - 1) * (1 - share)], dim=1)
    along = torch.stack([zero, share, (2 * down - 1) * (1 - share)], dim=1)
    where = torch.stack([across, along], dim=1).to(pictures.device)
    grid = functional.affine_grid(where, list(pictures.shape), align_corners=False)
    return functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def load_pictures(folder: Path) -> Tensor:
    """All training pictures of a footage folder, squashed: uint8 (N, 3, 256, 256).

    Photographs and frames; held-out sources are left out, and of more than MOST_PICTURES every second, fourth
    or so is kept.
    """
    kept, stride = list[NDArray[np.uint8]](), 1
    for number, picture in enumerate(training_pictures(folder)):
        if number % stride == 0:
            kept.append(picture.transpose(2, 0, 1))
        if len(kept) > MOST_PICTURES:
            kept, stride = kept[::2], 2 * stride
    if not kept:
        raise footage.FootageError(f"{folder} holds no picture or clip to train on")
    return torch.from_numpy(np.stack(kept))


def training_pictures(folder: Path) -> Iterator[NDArray[np.uint8]]:
    """Yield photographs, then frames of clips (256, 256, 3)."""
    for path in footage.photos(folder):
        if not footage.is_held_out(path):
            yield _squash(footage.read_photo(path, PICTURE_PX))
    for path in footage.clips(folder):
        if not footage.is_held_out(path):
            for _, frame in footage.read_frames(path, PICTURE_PX, FRAMES_PER_SECOND):
                yield _squash(frame)


def _squash(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(picture, (PICTURE_PX, PICTURE_PX), interpolation=cv2.INTER_AREA), np.uint8)
