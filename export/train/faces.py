"""dlib's face recognition as a network that gradients go through: what the attacker's decoder shall please.

    chips (B, 3, 150, 150) in 0..1 --7x7 / 2, 3x3 / 2--> 14 residual blocks --mean--> fc --> (B, 128)

The weights (public domain) are read out of dlib's own file, which the package `face_recognition_models`
brings: layers in the order of their evaluation, each a name and a tensor of floats.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from export.train.loop import TrainingError

CHIP_PX = 150
_MEAN = (122.782, 117.001, 104.298)
# Channels of each; where negative, the block halves the sides.
_BLOCKS = (32, 32, 32, -64, 64, 64, 64, -128, 128, 128, -256, 256, 256, -256)
# A layer's name, and the version of the tensor after it.
_LAYER = re.compile(rb"\x01(?:\x05con_4|\x07affine_|\x04fc_2\x01\x80\x02\x00\x01)\x01\x02")


class FaceEmbedding(nn.Module):
    """Embeds aligned faces (B, 3, 150, 150) in 0..1 as vectors (B, 128) of unit length; frozen."""

    fc: Tensor
    mean: Tensor

    def __init__(self, weights: Path) -> None:
        """Read dlib's file. Raises TrainingError for another one."""
        super().__init__()
        layers = _layers(weights)
        try:
            self.stem = _Convolution(next(layers), next(layers), 3, 7, 2)
            self.blocks = nn.ModuleList()
            before = 32
            for size in _BLOCKS:
                self.blocks.append(_Block(layers, before, abs(size), 2 if size < 0 else 1))
                before = abs(size)
            self.register_buffer("fc", _tensor(next(layers), before, 128))
        except (StopIteration, RuntimeError, ValueError) as error:
            raise TrainingError(f"{weights} is not dlib's network for faces") from error
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.requires_grad_(requires_grad=False)

    def forward(self, chips: Tensor) -> Tensor:
        x = functional.relu(self.stem((chips * 255 - self.mean) / 256))
        x = functional.max_pool2d(x, 3, 2)
        for block in self.blocks:
            x = block(x)
        return functional.normalize(x.mean((2, 3)) @ self.fc)


class _Convolution(nn.Module):
    """A convolution with its scale and shift; those that halve the side have no padding."""

    kernel: Tensor
    bias: Tensor

    def __init__(
        self, weights: NDArray[np.float32], scales: NDArray[np.float32], before: int, px: int, stride: int
    ) -> None:
        super().__init__()
        channels = len(scales) // 2
        scale, shift = _tensor(scales, 2, channels)
        kernel = _tensor(weights[:-channels], channels, before, px, px)
        self._stride, self._padding = stride, px // 2 if stride == 1 else 0
        self.register_buffer("kernel", kernel * scale[:, None, None, None])
        self.register_buffer("bias", _tensor(weights[-channels:], channels) * scale + shift)

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.kernel, self.bias, self._stride, self._padding)


class _Block(nn.Module):
    """Two convolutions beside a way past them; the smaller of the two is filled up with zeros."""

    def __init__(
        self, layers: Iterator[NDArray[np.float32]], before: int, channels: int, stride: int
    ) -> None:
        super().__init__()
        self._stride = stride
        self.first = _Convolution(next(layers), next(layers), before, 3, stride)
        self.second = _Convolution(next(layers), next(layers), channels, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        made = self.second(functional.relu(self.first(x)))
        past = functional.avg_pool2d(x, 2, 2) if self._stride == 2 else x
        shape = [max(sides) for sides in zip(made.shape, past.shape, strict=True)]
        return functional.relu(_filled(made, shape) + _filled(past, shape))


def _filled(x: Tensor, shape: list[int]) -> Tensor:
    _, channels, height, width = (want - has for want, has in zip(shape, x.shape, strict=True))
    return functional.pad(x, (0, width, 0, height, 0, channels)) if channels or height or width else x


def _layers(path: Path) -> Iterator[NDArray[np.float32]]:
    """Give the weights of each layer, flat."""
    written = path.read_bytes()
    at = 0
    while found := _LAYER.search(written, at):
        at = found.end()
        sizes = list[int]()
        for _ in range(4):
            value, at = _number(written, at)
            sizes.append(value)
        end = at + 4 * int(np.prod(sizes))
        yield np.frombuffer(written[at:end], "<f4")
        at = end


def _number(written: bytes, at: int) -> tuple[int, int]:
    """Read dlib's whole number: how many bytes, the bytes; gives where it ends, too."""
    end = at + 1 + (written[at] & 15)
    return int.from_bytes(written[at + 1 : end], "little"), end


def _tensor(values: NDArray[np.float32], *shape: int) -> Tensor:
    return torch.from_numpy(values.copy()).reshape(shape)
