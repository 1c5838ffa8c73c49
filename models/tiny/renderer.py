"""The renderer: rectified flow over dense motion towards two keyframes.

    noise (40, 32, 32) --4 Euler steps--> per frame: flow to keyframe A, flow to keyframe B, blend
       ^ caption, both keyframes, the motion layer's own field

What is diffused is motion, not pixels (latent flow diffusion, Ni et al., CVPR 2023); frames are the two
keyframes warped by it. The network predicts the clean sample. One sample holds FRAMES x 5 channels: flow
to A (x, y), flow to B (x, y), both in frame fractions times FLOW_SCALE, and the blend, -1 all A, 1 all B.

    motion layer's field, or --gate--> + residual = flow       what is known is not learned again:
    camera and object read     ^                               a residual vanishes at its keyframe's time
    from the caption, object   keyframes matched with each other (GMFlow, Xu et al., CVPR 2022)
    found in keyframe A
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.tiny.motion import (
    FRAMES,
    KEY_PX,
    SIDE,
    Commander,
    Finder,
    Matcher,
    between,
    commanded,
    frame_times,
    located,
)

CHANNELS = FRAMES * 5
GUIDE = FRAMES * 4
WORDS = 24
TIME_SHIFT = 12.0  # plain times waste steps: smooth flow already shows through much noise
NEAR = 0.15  # of a segment: so close to a keyframe, motion towards it is held to what is known
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


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the denoiser makes of one noisy sample, with what it was made of."""

    clean: Tensor  # (B, CHANNELS, SIDE, SIDE)
    match: Tensor  # (B, 4, SIDE, SIDE), flow from A to B and from B to A, in fractions of the frame
    moves: Tensor  # (B, MOVES), as `commanded` takes them


class FlowDenoiser(nn.Module):
    """Predicts the clean motion from noisy motion.

    noisy (B, 40, 32, 32), time (B,) 0 = noise .. 1 = clean, keys (B, 6, 64, 64) in 0..1, guide
    (B, 32, 32, 32) the motion layer's flows times FLOW_SCALE, conditions (B, 4), words (B, 24) ids of
    wire.words, with 0 where there is none -> (B, 40, 32, 32).

    Where the motion layer is there, `trust` (5) says, out of training, how much of what the network adds to
    its flows and to the even blend is believed: as much as serves real windows best.
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
        self.matcher = Matcher()
        seen = 6 * (KEY_PX // SIDE) ** 2
        self.stem = nn.Conv2d(CHANNELS + GUIDE + seen + 2 + GUIDE + 2, high, 3, padding=1)
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
        self.head = nn.Sequential(
            nn.GroupNorm(1, high), nn.GELU(), nn.Conv2d(high, CHANNELS + FRAMES, 3, padding=1)
        )
        self.commander, self.finder = Commander(), Finder()
        for parameter in self.head[2].parameters():
            nn.init.zeros_(parameter)
        self.trust: Tensor
        self.register_buffer("trust", torch.ones(5))
        self.grid: Tensor
        self.register_buffer("grid", _grid(SIDE), persistent=False)

    def forward(
        self, noisy: Tensor, time: Tensor, keys: Tensor, guide: Tensor, conditions: Tensor, words: Tensor
    ) -> Tensor:
        return self.predict(noisy, time, keys, guide, conditions, words).clean

    def predict(
        self, noisy: Tensor, time: Tensor, keys: Tensor, guide: Tensor, conditions: Tensor, words: Tensor
    ) -> Prediction:
        """Do what `forward` does, and tell what it rests on."""
        read = self._read(words)
        there = (words > 0).to(read.dtype)[..., None]
        sentence = (read * there).sum(1) / there.sum(1).clamp(min=1)
        pooled = self.pool(torch.cat([sentence, _wave(time, sentence.shape[1]), conditions], dim=1))
        where = self.grid.expand(noisy.shape[0], -1, -1, -1)
        pictures = self.unshuffle(keys * 2 - 1)
        match, trust = self.matcher(pictures)
        matched = between(match, conditions)
        x = self.stem(torch.cat([noisy, guide, pictures, where, matched.flatten(1, 2), trust], dim=1))
        high = self._run(self.down, x, pooled, read)
        middle = self._run(self.middle, self.to_middle(high), pooled, read)
        low = self._run(self.low, self.to_low(middle), pooled, read)
        middle = middle + functional.pixel_shuffle(self.from_low(low), 2)
        middle = self._run(self.middle_up, middle, pooled, read)
        high = self._run(self.up, high + functional.pixel_shuffle(self.from_middle(middle), 2), pooled, read)
        change, gate = self.head(high).float().split([CHANNELS, FRAMES], dim=1)
        moves = self.commander(words)
        found = located(self.finder(pictures.chunk(2, dim=1)[0], words), moves)
        told = conditions[:, 3, None, None, None, None]
        known = guide.unflatten(1, (FRAMES, 4)) * told
        known = known + commanded(moves, found, conditions) * (1 - told)
        trust = torch.ones_like(self.trust) if self.training else self.trust
        trust = 1 - told * (1 - trust[:, None, None])
        share = (gate - 3).sigmoid().unflatten(1, (FRAMES, 1)) * conditions[:, 2, None, None, None, None]
        fields = known + trust[:, :, :1] * share * (matched - known)
        clean = _finished(fields, trust * change.unflatten(1, (FRAMES, 5)), conditions)
        return Prediction(clean, match, moves)

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


def _finished(fields: Tensor, change: Tensor, conditions: Tensor) -> Tensor:
    """Add the residual (B, FRAMES, 5, S, S) to flows (B, FRAMES, 4, S, S), and the blend.

    At a keyframe's own time nothing is added to the flow towards it: that frame is the keyframe. A
    segment begins all with A and ends all with B, which is the A of the next: so segments join.
    """
    first, second, follows = (conditions[:, n, None, None, None, None] for n in (0, 1, 2))
    times = frame_times(fields)
    near_a, near_b = (((times - key).abs() / NEAR).clamp(max=1) for key in (first, second))
    to_a = fields[:, :, 0:2] + near_a * change[:, :, 0:2]
    to_b = fields[:, :, 2:4] + near_b * follows * change[:, :, 2:4]
    even = ((times - first) / (second - first)).clamp(0, 1) * 2 - 1
    inside = (times * (1 - times) > 0).to(fields.dtype)
    free = inside * (even + change[:, :, 4:5]) + (1 - inside) * (times * 2 - 1)
    blend = free * follows - (1 - follows)
    return torch.cat([to_a, to_b, blend], 2).flatten(1, 2)


def _wave(time: Tensor, width: int) -> Tensor:
    rates = torch.exp(torch.arange(width // 2, device=time.device) * (-math.log(1000.0) / (width // 2)))
    angles = time[:, None] * 1000 * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


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
    times = shifted(torch.linspace(0, 1, steps + 1, device=noise.device))
    x = noise
    for now, after in pairwise(times):
        clean = network(x, now.expand(len(x)), keys, guide, conditions, words)
        x = clean if after >= 1 else x + (clean - x) * ((after - now) / (1 - now))
    return x
