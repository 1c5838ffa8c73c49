"""A video tokenizer for stills: three-dimensional convolutions become flat ones, with the same result.

    picture --shown for `ratio` frames--> VidTok    =    picture, one frame --> flat VidTok

A still is the same at all times, and a causal convolution sees the first frame where there is none before.
So each of its kernels meets equal values along time, and acts as the sum of itself over time: nothing in
between ever changes in time. That takes a fourth of the work, or less, and leaves no state behind.
"""

import copy
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_vidtok import (
    VidTokCausalConv1d,
    VidTokCausalConv3d,
    VidTokDownsample3D,
    VidTokUpsample3D,
)
from torch import Tensor, nn


class FlatConv3d(nn.Module):
    """A causal convolution of one frame (B, C, 1, H, W)."""

    def __init__(self, causal: Any) -> None:  # noqa: ANN401 (diffusers has no types)
        super().__init__()
        kernel = causal.conv
        left, _, top, _ = causal.spatial_padding[:4]  # kernels are odd: as much on the other side
        self.conv = nn.Conv2d(
            kernel.in_channels, kernel.out_channels, kernel.kernel_size[1:], kernel.stride[1:],
            padding=(top, left), dilation=kernel.dilation[1:],
        )  # fmt: skip
        self.conv.weight = nn.Parameter(kernel.weight.detach().sum(2))
        self.conv.bias = nn.Parameter(kernel.bias.detach())

    def forward(self, frames: Tensor) -> Tensor:
        return self.conv(frames[:, :, 0]).unsqueeze(2)


class FlatConv1d(nn.Module):
    """A causal convolution along time of one instant (B, C, 1)."""

    def __init__(self, causal: Any) -> None:  # noqa: ANN401
        super().__init__()
        kernel = causal.conv
        self.mix = nn.Linear(kernel.in_channels, kernel.out_channels)
        self.mix.weight = nn.Parameter(kernel.weight.detach().sum(2))
        self.mix.bias = nn.Parameter(kernel.bias.detach())

    def forward(self, values: Tensor) -> Tensor:
        return self.mix(values[:, :, 0]).unsqueeze(2)


class FlatResample(nn.Module):
    """Halving or doubling the frames of a still: what remains is the blend with the convolution."""

    def __init__(self, causal: Any) -> None:  # noqa: ANN401
        super().__init__()
        self.share = nn.Parameter(torch.sigmoid(causal.mix_factor.detach()))
        self.conv = FlatConv3d(causal.conv)

    def forward(self, frames: Tensor) -> Tensor:
        return self.share * frames + (1 - self.share) * self.conv(frames)


_FLAT = {
    VidTokCausalConv1d: FlatConv1d,
    VidTokCausalConv3d: FlatConv3d,
    VidTokDownsample3D: FlatResample,
    VidTokUpsample3D: FlatResample,
}


def flattened(network: nn.Module) -> nn.Module:
    """Copy VidTok's encoder or decoder for a single frame: (B, C, 1, H, W) in, (B, D, 1, h, w) out."""
    flat = copy.deepcopy(network)
    _flatten(flat)
    return flat.eval()


def _flatten(module: nn.Module) -> None:
    for name, child in module.named_children():
        kind = _FLAT.get(type(child))
        if kind is None:
            _flatten(child)
        else:
            setattr(module, name, kind(child))
