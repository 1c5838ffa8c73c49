"""The renderer: rectified flow over dense motion towards two keyframes.

    noise (40, 32, 32) --4 Euler steps--> per frame: flow to keyframe A, flow to keyframe B, blend
       ^ caption, both keyframes, the motion layer's own field

What is diffused is motion, not pixels (latent flow diffusion, Ni et al., CVPR 2023); frames are the two
keyframes warped by it. The network predicts the clean sample. One sample holds FRAMES x 5 channels: flow
to A (x, y), flow to B (x, y), both in frame fractions times FLOW_SCALE, and the blend, -1 all A, 1 all B.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

FRAMES = 8
SIDE = 32
KEY_PX = 64
CHANNELS = FRAMES * 5
GUIDE = FRAMES * 4
FLOW_SCALE = 4.0
WORDS = 24
TIME_SHIFT = 12.0  # plain times waste steps: smooth flow already shows through much noise
CONDITIONS = 4  # time of keyframe A, time of B, B is there, the motion layer is there


class Condition(nn.Module):
    """Shift and scale channels by the pooled condition."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.affine = nn.Linear(width, channels * 2)
        nn.init.zeros_(self.affine.weight)
        nn.init.zeros_(self.affine.bias)

    def forward(self, x: Tensor, pooled: Tensor) -> Tensor:
        scale, shift = self.affine(pooled)[..., None, None].chunk(2, dim=1)
        return self.norm(x) * (1 + scale) + shift


class Mixer(nn.Module):
    """Depthwise 3x3, condition, pointwise bottleneck."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.condition = Condition(channels, width)
        self.widen = nn.Conv2d(channels, channels * 2, 1)
        self.narrow = nn.Conv2d(channels * 2, channels, 1)
        self.scale = nn.Parameter(torch.full((1, channels, 1, 1), 0.1))

    def forward(self, x: Tensor, pooled: Tensor) -> Tensor:
        y = self.widen(self.condition(self.depthwise(x), pooled))
        return x + self.scale * self.narrow(functional.gelu(y))


class Attend(nn.Module):
    """Cells look at each other and at the caption's words."""

    def __init__(self, channels: int, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(1, channels)
        self.query = nn.Conv2d(channels, channels, 1)
        self.cells = nn.Conv2d(channels, channels * 2, 1)
        self.words = nn.Linear(width, channels * 2)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        normed = self.norm(x)
        pairs = torch.cat([self.cells(normed).flatten(2).transpose(1, 2), self.words(words)], dim=1)
        key, value = self._split(pairs[..., :channels]), self._split(pairs[..., channels:])
        query = self._split(self.query(normed).flatten(2).transpose(1, 2))
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return x + self.out(mixed.transpose(2, 3).reshape(batch, channels, height, width))

    def _split(self, x: Tensor) -> Tensor:
        batch, length, channels = x.shape
        return x.reshape(batch, length, self.heads, channels // self.heads).transpose(1, 2)


class FlowDenoiser(nn.Module):
    """Predicts the clean motion from noisy motion.

    noisy (B, 40, 32, 32), time (B,) 0 = noise .. 1 = clean, keys (B, 6, 64, 64) in 0..1, guide
    (B, 32, 32, 32) the motion layer's flows times FLOW_SCALE, conditions (B, 4), words (B, 24) token ids
    with 0 where there is none -> (B, 40, 32, 32).
    """

    def __init__(
        self, vocabulary: int, width: int = 192, channels: tuple[int, int, int] = (96, 160, 224)
    ) -> None:
        super().__init__()
        high, middle, low = channels
        self.embed = nn.Embedding(vocabulary, width, padding_idx=0)
        self.order = nn.Parameter(torch.zeros(1, WORDS, width))
        self.reader = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)
        )
        self.neighbours = nn.Conv1d(width, width, 3, padding=1)
        self.pool = nn.Sequential(
            nn.Linear(width * 2 + CONDITIONS, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.unshuffle = nn.PixelUnshuffle(KEY_PX // SIDE)
        seen = 6 * (KEY_PX // SIDE) ** 2
        self.stem = nn.Conv2d(CHANNELS + GUIDE + seen + 2, high, 3, padding=1)
        self.down = nn.ModuleList([Mixer(high, width), Mixer(high, width)])
        self.to_middle = nn.Conv2d(high, middle, 2, stride=2)
        self.middle = nn.ModuleList([Mixer(middle, width), Attend(middle, width), Mixer(middle, width)])
        self.to_low = nn.Conv2d(middle, low, 2, stride=2)
        self.low = nn.ModuleList(
            [Mixer(low, width), Attend(low, width), Mixer(low, width), Attend(low, width), Mixer(low, width)]
        )
        self.from_low = nn.Conv2d(low, middle * 4, 1)
        self.middle_up = nn.ModuleList([Mixer(middle, width), Attend(middle, width), Mixer(middle, width)])
        self.from_middle = nn.Conv2d(middle, high * 4, 1)
        self.up = nn.ModuleList([Mixer(high, width), Mixer(high, width)])
        self.head = nn.Sequential(nn.GroupNorm(1, high), nn.GELU(), nn.Conv2d(high, CHANNELS, 3, padding=1))
        self.grid: Tensor
        self.register_buffer("grid", _grid(SIDE), persistent=False)

    def forward(
        self, noisy: Tensor, time: Tensor, keys: Tensor, guide: Tensor, conditions: Tensor, words: Tensor
    ) -> Tensor:
        read = self._read(words)
        there = (words > 0).to(read.dtype)[..., None]
        sentence = (read * there).sum(1) / there.sum(1).clamp(min=1)
        pooled = self.pool(torch.cat([sentence, _wave(time, sentence.shape[1]), conditions], dim=1))
        where = self.grid.expand(noisy.shape[0], -1, -1, -1)
        x = self.stem(torch.cat([noisy, guide, self.unshuffle(keys * 2 - 1), where], dim=1))
        high = self._run(self.down, x, pooled, read)
        middle = self._run(self.middle, self.to_middle(high), pooled, read)
        low = self._run(self.low, self.to_low(middle), pooled, read)
        middle = middle + functional.pixel_shuffle(self.from_low(low), 2)
        middle = self._run(self.middle_up, middle, pooled, read)
        high = self._run(self.up, high + functional.pixel_shuffle(self.from_middle(middle), 2), pooled, read)
        return self.head(high) + _spread(guide)

    def _read(self, words: Tensor) -> Tensor:
        x = self.embed(words) + self.order
        x = x + self.neighbours(x.transpose(1, 2)).transpose(1, 2)
        return x + self.reader(x)

    def _run(self, blocks: nn.ModuleList, x: Tensor, pooled: Tensor, words: Tensor) -> Tensor:
        for block in blocks:
            x = block(x, pooled) if isinstance(block, Mixer) else block(x, words)
        return x


def _grid(side: int) -> Tensor:
    line = torch.linspace(-1, 1, side)
    return torch.stack(torch.meshgrid(line, line, indexing="xy"))[None]


def _spread(guide: Tensor) -> Tensor:
    """Lay the guide's flows where a sample has them: what the network adds is what the guide leaves out."""
    fields = guide.reshape(-1, FRAMES, 4, SIDE, SIDE)
    return functional.pad(fields, (0, 0, 0, 0, 0, 1)).reshape(-1, CHANNELS, SIDE, SIDE)


def _wave(time: Tensor, width: int) -> Tensor:
    rates = torch.exp(torch.arange(width // 2, device=time.device) * (-math.log(1000.0) / (width // 2)))
    angles = time[:, None] * 1000 * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def warp(picture: Tensor, flow: Tensor) -> Tensor:
    """Sample pictures (B, C, H, W) at backward flow (B, 2, H, W), in frame fractions; edges repeat."""
    height, width = picture.shape[2:]
    x = (torch.arange(width, device=flow.device) + 0.5) / width
    y = (torch.arange(height, device=flow.device) + 0.5) / height
    base = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    where = (base + flow.permute(0, 2, 3, 1)) * 2 - 1
    return functional.grid_sample(picture, where, padding_mode="border", align_corners=False)


def shifted(time: Tensor, shift: float = TIME_SHIFT) -> Tensor:
    """Move times 0..1 towards the noise."""
    return time / (time + shift * (1 - time))


@torch.no_grad()
def sample(
    network: FlowDenoiser,
    noise: Tensor,
    keys: Tensor,
    guide: Tensor,
    conditions: Tensor,
    words: Tensor,
    steps: int,
) -> Tensor:
    """Integrate from noise to motion in Euler steps; the reference for the ONNX renderer."""
    times = shifted(torch.linspace(0, 1, steps + 1))
    x = noise
    for now, after in pairwise(times):
        clean = network(x, now.expand(len(x)), keys, guide, conditions, words)
        x = clean if after >= 1 else x + (clean - x) * ((after - now) / (1 - now))
    return x
