"""The appearance code: a 128x128 keyframe becomes 12 planes of 8x8 tokens, and a picture again.

    picture (3, 128, 128) -> encoder -> (12, 8, 8) in -1..1 -> 8 levels each -> decoder -> picture

Finite scalar quantisation (Mentzer et al., ICLR 2024), here with 8 levels on every axis. Planes are
dropped from the end in training (nested dropout, Rippel et al., ICML 2014), so a prefix decodes too;
0, which lies between two levels, tells the decoder that a plane was not sent.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

IMAGE_PX = 128
GRID = 8
LEVELS = 8
PLANES = 12


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
    """Pictures (B, 3, 128, 128) in 0..1 to codes (B, PLANES, 8, 8) in -1..1, not yet quantised."""

    def __init__(self) -> None:
        super().__init__()
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
            nn.Conv2d(192, PLANES, 1),
        )

    def forward(self, picture: Tensor) -> Tensor:
        return torch.tanh(self.body(picture * 2 - 1))


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
    """Codes (B, PLANES, 8, 8), 0 where a plane was not sent, to pictures (B, 3, 128, 128) in 0..1."""

    def __init__(self) -> None:
        super().__init__()
        self.where = nn.Parameter(torch.zeros(1, 256, GRID, GRID))
        self.stem = nn.Conv2d(PLANES, 256, 3, padding=1)
        self.body = nn.Sequential(
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
            Block(128),
            Block(128),
            Block(128),
            nn.GroupNorm(8, 128),
            nn.Conv2d(128, 96, 3, padding=1),
            nn.PixelShuffle(2),
            nn.GELU(),
            nn.Conv2d(24, 12, 3, padding=1),  # twice by two: one step of four leaves a grid in the picture
            nn.PixelShuffle(2),
        )

    def forward(self, code: Tensor) -> Tensor:
        return self.body(self.stem(code) + self.where) * 0.5 + 0.5


def to_tokens(code: Tensor) -> Tensor:
    """Codes in -1..1 to tokens 0..LEVELS-1 of the same shape (int64)."""
    return ((code + 1) * ((LEVELS - 1) / 2)).round().clamp(0, LEVELS - 1).long()


def from_tokens(tokens: Tensor) -> Tensor:
    """Tokens to the centres of their levels in -1..1."""
    return tokens.float() * (2 / (LEVELS - 1)) - 1


def quantise(code: Tensor) -> Tensor:
    """Round to the nearest level; the gradient passes straight through."""
    return code + (from_tokens(to_tokens(code)) - code).detach()


def keep_planes(code: Tensor, counts: Tensor) -> Tensor:
    """Zero all planes of item i from counts[i] on."""
    planes = torch.arange(code.shape[1], device=code.device)
    return code * (planes[None] < counts[:, None])[..., None, None]
