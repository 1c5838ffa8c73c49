"""What scenes are made of: dice, photographs, shapes of cut-outs, and cut-outs on their way.

Points are complex numbers x + iy in fractions of the frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from export.data.footage import Texture
from export.data.phrases import head_phrase
from wire.words import read_words

GROUND_PX, CUTOUT_PX = 128, 64
MASKS = 512
CONTENT_WORDS, NAME_WORDS = 9, 4


class Dice:
    """Random numbers on one device, by seed."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self.device = device
        self._generator = torch.Generator(device).manual_seed(seed)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=self._generator, device=self.device)

    def normal(self, *shape: int, scale: float = 1.0) -> Tensor:
        return scale * torch.randn(*shape, generator=self._generator, device=self.device)

    def integers(self, *shape: int, below: int) -> Tensor:
        return torch.randint(below, shape, generator=self._generator, device=self.device)

    def chance(self, *shape: int, share: float) -> Tensor:
        return self.uniform(*shape) < share


@dataclass(frozen=True, slots=True)
class Bank:
    """What scenes are made of."""

    grounds: Tensor  # uint8 (N, 3, GROUND_PX, GROUND_PX)
    cutouts: Tensor  # uint8 (N, 3, CUTOUT_PX, CUTOUT_PX)
    masks: Tensor  # float (MASKS, 1, CUTOUT_PX, CUTOUT_PX) in 0..1
    content: Tensor  # int64 (N, CONTENT_WORDS)
    names: Tensor  # int64 (N, NAME_WORDS)
    texts: tuple[str, ...]

    @classmethod
    def of(cls, textures: Sequence[Texture], device: torch.device, seed: int = 0) -> "Bank":
        """Put captioned photographs on the device, and draw the shapes of cut-outs."""
        pictures = [torch.from_numpy(np.ascontiguousarray(t.rgb.transpose(2, 0, 1))) for t in textures]
        texts = tuple(texture.caption for texture in textures)

        def sized(side: int) -> Tensor:
            small = [
                functional.interpolate(p[None].float(), (side, side), mode="bilinear", antialias=True)
                for p in pictures
            ]
            return torch.cat(small).round().clamp(0, 255).to(torch.uint8).to(device)

        def read(words: Sequence[str], length: int) -> Tensor:
            return torch.tensor([read_words(text, length) for text in words], device=device)

        return cls(
            sized(GROUND_PX), sized(CUTOUT_PX), blobs(Dice(seed, device), MASKS), read(texts, CONTENT_WORDS),
            read([head_phrase(text) for text in texts], NAME_WORDS), texts,
        )  # fmt: skip


def blobs(dice: Dice, count: int, side: int = CUTOUT_PX) -> Tensor:
    """Draw soft shapes (count, 1, side, side): a radius that varies smoothly around a centre, 5 harmonics."""
    points = unit_grid(side, dice.device) - (0.5 + 0.5j)
    waves = torch.arange(1, 6, device=dice.device)
    strength = dice.normal(count, 5, 1, 1, scale=0.35) / waves[:, None, None]
    turned = points.angle() * waves[:, None, None] + dice.uniform(count, 5, 1, 1, high=2 * pi)
    radius = 1 + (strength * turned.cos()).sum(1)
    radius = radius / radius.amax((1, 2), keepdim=True) * 0.44
    hardness = dice.uniform(count, 1, 1, low=10, high=60)
    return ((radius.clamp(min=0.08) - points.abs()) * hardness + 0.5).clamp(0, 1)[:, None]


@dataclass(frozen=True, slots=True)
class Cutouts:
    """The moving things of rows `first` and later, one each; tensors have that many rows."""

    first: int
    texture: Tensor
    mask: Tensor
    start: Tensor  # complex (B,), centre at time 0
    way: Tensor  # complex (B,), displacement over the segment
    bulge: Tensor  # (B,) how far the way bends to its side, in its own length
    size: Tensor  # (B, 2) width and height at time 0
    zoom: Tensor  # (B,) log2 of growth over the segment
    spin: Tensor  # (B,) degrees
    part: Tensor  # (B, 3): size, left, top of what it shows of its photograph

    def pose(self, times: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and turn a (B, T) about the centre, and the centre (B, T), at times (B, T)."""
        a = torch.polar(2.0 ** (self.zoom[:, None] * times), torch.deg2rad(self.spin[:, None] * times))
        bent = self.bulge[:, None] * times * (1 - times)
        return a, self.start[:, None] + self.way[:, None] * torch.complex(times, bent)

    def cover(self, bank: Bank, points: Tensor, times: Tensor) -> Tensor:
        """Opacity (B, T, H, W) at points (B, T, H, W) of the frames at times (B, T)."""
        return sampled(bank.masks[self.mask], self.local(points, times), "zeros")[:, :, 0]

    def looks(self, bank: Bank, points: Tensor, times: Tensor) -> Tensor:
        """Colours (B, T, 3, H, W) in 0..255 at points (B, T, H, W) of the frames at times (B, T)."""
        size, corner = self.part[:, None, None, None, :1], self.part[:, None, None, None, 1:]
        where = (corner + size * (self.local(points, times) + 1) / 2) * 2 - 1
        return sampled(bank.cutouts[self.texture], where, "border")

    def local(self, points: Tensor, times: Tensor) -> Tensor:
        """Where points lie on the cut-out: (B, T, H, W, 2), -1..1 from edge to edge."""
        a, centre = self.pose(times)
        offset = torch.view_as_real((points - everywhere(centre)) / everywhere(a))
        return offset / (self.size[:, None, None, None] / 2)


def unit_grid(side: int, device: torch.device) -> Tensor:
    """Pixel centres (side, side) as complex fractions of the frame."""
    line = (torch.arange(side, device=device) + 0.5) / side
    rows, columns = torch.meshgrid(line, line, indexing="ij")
    return torch.complex(columns, rows)


def sampled(pictures: Tensor, where: Tensor, padding: str) -> Tensor:
    """Sample pictures (B, C, h, w) at (B, T, H, W, 2) in -1..1: (B, T, C, H, W)."""
    batch, count, height, width, _ = where.shape
    flat = functional.grid_sample(
        pictures.float(), where.reshape(batch, -1, width, 2), padding_mode=padding, align_corners=False
    )
    return flat.reshape(batch, -1, count, height, width).transpose(1, 2)


def everywhere(values: Tensor) -> Tensor:
    """Values of frames (B, T) beside their points (B, T, 1, 1)."""
    return values[..., None, None]
