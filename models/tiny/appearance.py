"""The appearance code: a 128x128 keyframe becomes 24 planes of 8x8 tokens, and a 256x256 picture again.

    picture -> patches of 16x16 in principal components --+--> (24, 8, 8) in -1..1 -> 15 levels each
          '--> network that corrects them ----------------'                               |
    picture (3, 256, 256) <-- network that restores <-- patches, each of 3x3 cells <------'

Both sides begin as a linear codec; the networks learn what is better. The quantisation is finite scalar
quantisation (Mentzer et al., ICLR 2024) with an odd number of levels, the middle one being "as expected".
Planes are dropped from the end in training (nested dropout, Rippel et al., ICML 2014), of whole pictures or
of parts, so each cell may know another prefix of its planes; 0 stands for a token that is not known.
"""

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

IMAGE_PX = 128
PICTURE_PX = 256
PATCH_PX = 16
GRID = IMAGE_PX // PATCH_PX
LEVELS = 15
PLANES = 24
Layer = TypeVar("Layer", bound=nn.Module)
# Squared steps by which a cell may be off and still stands. At 1 a still camera's scene cost a third more
# bytes, for which its pictures were no more alike than those of as many bytes without it.
UNCHANGED = 14
_CORRECTION, _RESTORATION = 0.1, 0.2  # what the networks add is scaled down: they begin near nothing


class Block(nn.Module):
    """Depthwise 3x3, then a pointwise bottleneck: ConvNeXt's order with a group norm."""

    def __init__(self, channels: int, expand: int = 2) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.norm = nn.GroupNorm(1, channels)
        self.widen = nn.Conv2d(channels, channels * expand, 1)
        self.narrow = nn.Conv2d(channels * expand, channels, 1)
        self.scale = nn.Parameter(torch.full((1, channels, 1, 1), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.widen(self.norm(self.depthwise(x)))
        return x + self.scale * self.narrow(functional.gelu(y))


class Dense(nn.Module):
    """Two full 3x3 convolutions with a residual: affordable on the 8x8 and 16x16 grids."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.scale = nn.Parameter(torch.full((1, channels, 1, 1), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        y = functional.gelu(self.first(self.norm(x)))
        return x + self.scale * self.second(y)


class AppearanceEncoder(nn.Module):
    """Pictures (B, 3, 128, 128) in 0..1 to codes (B, PLANES, 8, 8) in -1..1, not yet quantised.

    `linear` holds principal components, see `set_components`; it is not trained.
    """

    def __init__(self) -> None:
        super().__init__()
        self.linear = _silent(nn.Conv2d(3, PLANES, PATCH_PX, stride=PATCH_PX))
        self.linear.requires_grad_(requires_grad=False)
        self.body = nn.Sequential(
            nn.PixelUnshuffle(4),
            nn.Conv2d(48, 64, 3, padding=1),
            Block(64),
            Block(64),
            nn.Conv2d(64, 128, 2, stride=2),
            Block(128),
            Block(128),
            nn.Conv2d(128, 192, 2, stride=2),
            Dense(192),
            Dense(192),
            nn.GroupNorm(8, 192),
            _silent(nn.Conv2d(192, PLANES, 3, padding=1)),
        )

    def forward(self, picture: Tensor) -> Tensor:
        x = picture * 2 - 1
        return (self.linear(x) + _CORRECTION * self.body(x)).clamp(-1, 1)


class Attention(nn.Module):
    """Self-attention over the 64 cells, so that far parts of a picture agree."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(8, channels)
        self.qkv = nn.Conv2d(channels, channels * 3, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        qkv = self.qkv(self.norm(x)).reshape(batch, 3, self.heads, channels // self.heads, height * width)
        query, key, value = qkv.transpose(3, 4).unbind(1)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return x + self.out(mixed.transpose(2, 3).reshape(batch, channels, height, width))


class AppearanceDecoder(nn.Module):
    """Codes (B, PLANES, 8, 8), 0 where a token is not known, to pictures (B, 3, 256, 256) in about 0..1.

    `linear` makes each patch of its own cell and the eight around it, see `fit_synthesis`; it is not trained.
    """

    def __init__(self) -> None:
        super().__init__()
        self.linear = _silent(nn.ConvTranspose2d(PLANES, 3, 3 * PATCH_PX, stride=PATCH_PX, padding=PATCH_PX))
        self.linear.requires_grad_(requires_grad=False)
        self.where = nn.Parameter(torch.zeros(1, 256, GRID, GRID))
        self.stem = nn.Conv2d(PLANES, 256, 3, padding=1)
        self.low = nn.Sequential(
            Dense(256),
            Attention(256),
            Dense(256),
            Attention(256),
            nn.Conv2d(256, 160 * 4, 1),
            nn.PixelShuffle(2),
            Dense(160),
            Dense(160),
            nn.Conv2d(160, 128 * 4, 1),
            nn.PixelShuffle(2),
        )
        self.seen = nn.Conv2d(48, 128, 3, padding=1)
        self.high = nn.Sequential(
            Block(128),
            Block(128),
            Block(128),
            Block(128),
            nn.GroupNorm(8, 128),
            nn.Conv2d(128, 128, 3, padding=1),
            nn.PixelShuffle(2),
            nn.GELU(),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.GELU(),
            _silent(nn.Conv2d(32, 48, 3, padding=1)),
            nn.PixelShuffle(4),
        )

    def forward(self, code: Tensor) -> Tensor:
        base = self.linear(code)
        x = self.low(self.stem(code) + self.where) + self.seen(functional.pixel_unshuffle(base, 4))
        wide = functional.interpolate(base, scale_factor=2, mode="bilinear", align_corners=False)
        return (wide + _RESTORATION * self.high(x)) * 0.5 + 0.5


def set_components(encoder: AppearanceEncoder, pictures: Tensor, step: float) -> None:
    """Let the encoder begin with the principal components of the patches of pictures (N, 3, 128, 128).

    A level is worth `step` in units of a component (pixels in -1..1), more where that would clip: 15 levels
    then span 2.6 standard deviations each way.
    """
    patches = functional.unfold(pictures * 2 - 1, PATCH_PX, stride=PATCH_PX).transpose(1, 2).flatten(0, 1)
    moments = sum((part.T @ part for part in patches.double().split(1 << 14)), torch.zeros(()))
    variances, components = torch.linalg.eigh(moments / len(patches))
    components = components.flip(1)[:, :PLANES]
    components = components * torch.where(components.sum(0) < 0, -1.0, 1.0)
    levels = (LEVELS - 1) / 2
    unit = (variances.flip(0)[:PLANES].sqrt() * 2.6 / levels).clamp(min=step) * levels
    with torch.no_grad():
        encoder.linear.weight.copy_((components / unit).T.reshape(PLANES, 3, PATCH_PX, PATCH_PX))


def change_weights(encoder: AppearanceEncoder) -> Tensor:
    """Weigh a squared difference of one level in each plane, where up to 1 together is no change."""
    step = 1 / encoder.linear.weight.detach().flatten(1).norm(dim=1).double()
    return (step / step.min()).square() / UNCHANGED


def fit_synthesis(decoder: AppearanceDecoder, codes: Tensor, pictures: Tensor) -> None:
    """Fit the linear part of a decoder by least squares, and let the rest begin anew with nothing to add.

    codes (N, PLANES, 8, 8), with zeros where the decoder is to do without; pictures (N, 3, 128, 128) in 0..1.
    """
    mean = pictures.mean((0, 2, 3)) * 2 - 1
    gram, moment = torch.zeros(()), torch.zeros(())
    for code, picture in zip(codes.split(256), pictures.split(256), strict=True):
        known = functional.unfold(code, 3, padding=1).transpose(1, 2).flatten(0, 1).double()
        wanted = functional.unfold(picture * 2 - 1 - mean[:, None, None], PATCH_PX, stride=PATCH_PX)
        gram = gram + known.T @ known
        moment = moment + known.T @ wanted.transpose(1, 2).flatten(0, 1).double()
    weights = torch.linalg.solve(gram + torch.eye(len(gram), device=gram.device), moment)
    # (plane, cell of 3x3, channel, row, column); seen from the cell that gives, the nine are mirrored
    weights = weights.reshape(PLANES, 3, 3, 3, PATCH_PX, PATCH_PX).flip(1, 2).permute(0, 3, 1, 4, 2, 5)
    with torch.no_grad():
        decoder.linear.weight.copy_(weights.reshape(PLANES, 3, 3 * PATCH_PX, 3 * PATCH_PX))
        if decoder.linear.bias is not None:
            decoder.linear.bias.copy_(mean)
    _silent(decoder.high[-2])


def to_tokens(code: Tensor) -> Tensor:
    """Codes in -1..1 to tokens 0..LEVELS-1 of the same shape (int64)."""
    return ((code + 1) * ((LEVELS - 1) / 2)).round().clamp(0, LEVELS - 1).long()


def from_tokens(tokens: Tensor) -> Tensor:
    """Tokens to the centres of their levels in -1..1."""
    return tokens.float() * (2 / (LEVELS - 1)) - 1


def quantise(code: Tensor) -> Tensor:
    """Round to the nearest level; the gradient passes straight through."""
    return code + (from_tokens(to_tokens(code)) - code).detach()


def keep_planes(code: Tensor, depth: Tensor) -> Tensor:
    """Zero what lies deeper than `depth` planes; `depth` is (B,) or, for each cell, (B, 8, 8)."""
    planes = torch.arange(code.shape[1], device=code.device)[:, None, None]
    return code * (planes < depth.reshape(len(depth), 1, *(depth.shape[1:] or (1, 1))))


def _silent(layer: Layer) -> Layer:
    """Let a layer begin with nothing to say."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
