"""The refiner: repairs what warping smears or uncovers, and sharpens what the appearance code blurred.

    warped and blended keyframes (3, 256, 256) + hints (5, 256, 256), caption -> change (3, 256, 256)

The change is added to the picture. Hints say where the warp is in doubt; all of them
vanish or speak of one keyframe only where one keyframe is shown alone, so that the last frame of a
segment and the first of the next are refined alike.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.tiny.appearance import Dense
from models.tiny.motion import warp
from models.tiny.renderer import Mixer

PICTURE_PX = 256
HINTS = 5  # what A and B disagree on (3), how far outside the keyframe, how far stretched
OUTSIDE = 8.0  # scale of the hint: an eighth of the frame beyond the edge is 1


class Refiner(nn.Module):
    """seen (B, 8, 256, 256): picture in 0..1, then hints; words (B, 24) -> change (B, 3, 256, 256)."""

    def __init__(
        self, vocabulary: int, width: int = 64, channels: tuple[int, int, int] = (64, 112, 160)
    ) -> None:
        super().__init__()
        high, middle, low = channels
        self.embed = nn.Embedding(vocabulary, width, padding_idx=0)
        self.pool = nn.Sequential(nn.Linear(width, width), nn.SiLU())
        self.stem = nn.Sequential(nn.PixelUnshuffle(4), nn.Conv2d((3 + HINTS) * 16, high, 3, padding=1))
        self.down = Dense(high)
        self.to_middle = nn.Conv2d(high, middle, 2, stride=2)
        self.middle = nn.ModuleList([Mixer(middle, width), Mixer(middle, width)])
        self.to_low = nn.Conv2d(middle, low, 2, stride=2)
        self.low = nn.ModuleList([Mixer(low, width) for _ in range(4)])
        self.from_low = nn.Conv2d(low, middle * 4, 1)
        self.middle_up = nn.ModuleList([Mixer(middle, width), Mixer(middle, width)])
        self.from_middle = nn.Conv2d(middle, high * 4, 1)
        self.up = Dense(high)
        self.head = nn.Sequential(nn.GELU(), nn.Conv2d(high, 3 * 16, 3, padding=1), nn.PixelShuffle(4))
        for parameter in self.head[1].parameters():
            nn.init.normal_(parameter, std=0.002)

    def forward(self, seen: Tensor, words: Tensor) -> Tensor:
        there = (words > 0).to(self.embed.weight.dtype)[..., None]
        pooled = self.pool((self.embed(words) * there).sum(1) / there.sum(1).clamp(min=1))
        picture, hints = seen.split([3, HINTS], dim=1)
        high = self.down(self.stem(torch.cat([picture * 2 - 1, hints], dim=1)))
        middle = self._run(self.middle, self.to_middle(high), pooled)
        low = self._run(self.low, self.to_low(middle), pooled)
        middle = self._run(self.middle_up, middle + functional.pixel_shuffle(self.from_low(low), 2), pooled)
        return self.head(self.up(high + functional.pixel_shuffle(self.from_middle(middle), 2)))

    def _run(self, blocks: nn.ModuleList, x: Tensor, pooled: Tensor) -> Tensor:
        for block in blocks:
            x = block(x, pooled)
        return x


def composed(field: Tensor, keys: Tensor) -> Tensor:
    """Give what the refiner sees of one frame: (B, 8, H, W).

    field (B, 5, H, W): flow to A and to B in fractions of the frame, blend (-1 all A); keys (B, 6, H, W).
    """
    share = (field[:, 4:5] * 0.5 + 0.5).clamp(0, 1)
    from_a, from_b = warp(keys[:, :3], field[:, 0:2]), warp(keys[:, 3:], field[:, 2:4])
    apart = from_b - from_a
    doubt = 4 * share * (1 - share) * apart
    hints = _hints(field[:, 0:2])
    hints = hints + share * (_hints(field[:, 2:4]) - hints)
    return torch.cat([from_a + share * apart, doubt, hints], dim=1)


def _hints(flow: Tensor) -> Tensor:
    """How far outside its keyframe each pixel comes from, and how stretched it is there: (B, 2, H, W)."""
    height, width = flow.shape[2:]
    x = (torch.arange(width, device=flow.device) + 0.5) / width
    y = (torch.arange(height, device=flow.device) + 0.5) / height
    where = flow + torch.stack(torch.meshgrid(x, y, indexing="xy"))
    outside = (where - where.clamp(0, 1)).abs().sum(1, keepdim=True)
    across = functional.pad(flow[:, 0:1, :, 2:] - flow[:, 0:1, :, :-2], (1, 1, 0, 0), mode="replicate")
    along = functional.pad(flow[:, 1:2, 2:] - flow[:, 1:2, :-2], (0, 0, 1, 1), mode="replicate")
    stretched = across * (width / 2) + along * (height / 2)
    return torch.cat([(outside * OUTSIDE).clamp(max=1), stretched.clamp(-1, 1)], dim=1)
