"""What tokens will cost, guessed while the code is still being learned.

The tables of `wire.planes` are counted when the code is ready; until then a logistic distribution per plane
stands for them, as wide as what is known around a token suggests.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

_NEAR = 4  # planes before the own one that tell how busy a place is
_FLOOR = 0.05  # levels: no distribution is narrower


class TokenRate(nn.Module):
    """Bits of tokens (B, P, h, w) that are centred on 0, in units of a level."""

    def __init__(self, planes: int) -> None:
        super().__init__()
        first = torch.arange(planes) == 0
        self.spread = nn.Parameter(torch.where(first, 0.5, 0.0))
        self.earlier = nn.Parameter(torch.full((planes,), 0.7))
        self.mean = nn.Parameter(torch.where(first, 0.9, 0.0))
        self.own = nn.Parameter(torch.full((planes,), 0.3))

    def forward(self, value: Tensor, tokens: Tensor) -> Tensor:
        """Bits (B, P, h, w) of `value`, not rounded but noisy, among rounded `tokens` of the same shape."""
        left = functional.pad(tokens, (1, 0))[..., :-1]
        up = functional.pad(tokens, (0, 0, 1, 0))[..., :-1, :]
        sizes = functional.avg_pool2d(tokens.abs(), 3, 1, 1).cumsum(1)
        before = functional.pad(sizes, (0, 0, 0, 0, 1, 0))[:, :-1]
        near = before - functional.pad(before, (0, 0, 0, 0, _NEAR, 0))[:, :-_NEAR]
        mean, spread, earlier, own = (
            weight[None, :, None, None]
            for weight in (self.mean, self.spread.exp(), self.earlier.abs(), self.own.abs())
        )
        width = spread * (0.1 + earlier * near / 2 + own * (left.abs() + up.abs()) / 2)
        width = width.clamp(min=_FLOOR)
        off = value - mean * (left + up) / 2
        chance = torch.sigmoid((off + 0.5) / width) - torch.sigmoid((off - 0.5) / width)
        return -torch.log2(chance.clamp(min=1e-4))
