"""What is known of a segment's motion before any is drawn, as flow towards its two keyframes.

keyframes --Matcher--> where each cell lies in the other --between--> flows of even motion
words --Commander--> camera and object in numbers --commanded--> flows that the caption asks for
keyframe A, words --Finder--> where the object is --located--------^
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

FRAMES = 8
SIDE = 32
KEY_PX = 64
FLOW_SCALE = 4.0
DOUBT = 2.5  # logits are let off so much before a cell stays behind when an object is said to move
LEAST_WAY = 0.04  # frames a segment, across and along together; less is no motion of an object
MOTION_WORDS = 64  # ids below are words of motion, as in wire.words
MOVES = 6  # pan right and down, zoom, roll, an object's way right and down


class Matcher(nn.Module):
    """Finds each cell of one keyframe in the other: softmax over all cells, then the mean place."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3 * (KEY_PX // SIDE) ** 2, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.GroupNorm(1, width),
                nn.Conv2d(width, width, 5, padding=2, groups=width),
                nn.Conv2d(width, width, 1),
                nn.GELU(),
                nn.Conv2d(width, width, 1),
            )
            for _ in range(3)
        )
        self.out = nn.Conv2d(width, 64, 1)
        self.sharpness = nn.Parameter(torch.tensor(2.5))

    def forward(self, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Take both keyframes unshuffled (B, 24, 32, 32); give flow A to B, B to A (B, 4, 32, 32), and trust.

        Trust (B, 2, 32, 32) is the largest probability of a cell of A, and of one of B.
        """
        a, b = (self._features(part) for part in keys.chunk(2, dim=1))
        place = places(SIDE, keys)
        with torch.autocast(keys.device.type, enabled=False):
            ahead, sure_ahead = self._find(a, b)
            back, sure_back = self._find(b, a)
        flows = torch.cat([ahead - place, back - place], 2).transpose(1, 2)
        trust = torch.stack([sure_ahead, sure_back], 1)
        return flows.unflatten(2, (SIDE, SIDE)), trust.unflatten(2, (SIDE, SIDE))

    def _find(self, cells: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
        """Mean place (B, 1024, 2) of each cell (B, C, 32, 32) among the others, and its largest probability.

        The others are looked at in fours: a quarter of the pairs, and the mean lies between their centres.
        """
        coarse = functional.normalize(functional.avg_pool2d(others.float(), 2), dim=1).flatten(2)
        alike = (cells.float() * self.sharpness.exp()).flatten(2).transpose(1, 2) @ coarse
        chances = alike.softmax(2)
        return chances @ places(SIDE // 2, cells)[0], chances.detach().amax(2)

    def _features(self, key: Tensor) -> Tensor:
        x = self.stem(key)
        for block in self.blocks:
            x = x + block(x)
        return functional.normalize(self.out(x), dim=1)


class Commander(nn.Module):
    """Reads how a caption moves camera and object; words of anything else are all the same to it."""

    def __init__(self, width: int = 64, wide: int = 128, numbers: int = MOVES) -> None:
        super().__init__()
        self.embed = nn.Embedding(MOTION_WORDS + 1, width, padding_idx=0)
        self.near = nn.Conv1d(width, wide, 5, padding=2)
        self.far = nn.Conv1d(wide, wide, 5, padding=2)
        self.out = nn.Sequential(nn.Linear(wide, wide), nn.GELU(), nn.Linear(wide, numbers))

    def forward(self, words: Tensor) -> Tensor:
        """Take word ids (B, WORDS), give (B, numbers), which `commanded` takes."""
        x = self.embed(words.clamp(max=MOTION_WORDS)).transpose(1, 2)
        there = (words > 0).to(x.dtype)[:, None]
        x = functional.gelu(self.near(x)) * there
        x = (x + functional.gelu(self.far(x))) * there
        return self.out(x.amax(2)).float()


class Finder(nn.Module):
    """Finds in keyframe A the object that a caption moves: a U-Net (Ronneberger et al., MICCAI 2015).

    Of the caption it reads the words of motion and place, as the commander does: what goes far to the right
    begins on the left.
    """

    def __init__(self, channels: tuple[int, int, int] = (32, 64, 96)) -> None:
        super().__init__()
        high, middle, low = channels
        self.reader = Commander(32, 64, low)
        self.stem = nn.Conv2d(3 * (KEY_PX // SIDE) ** 2 + 2, high, 3, padding=1)
        self.high = Convolved(high)
        self.to_middle = nn.Conv2d(high, middle, 2, stride=2)
        self.middle = Convolved(middle)
        self.to_low = nn.Conv2d(middle, low, 2, stride=2)
        self.low = nn.Sequential(Convolved(low), Convolved(low), Convolved(low))
        self.from_low = nn.Conv2d(low, middle * 4, 1)
        self.middle_up = Convolved(middle)
        self.from_middle = nn.Conv2d(middle, high * 4, 1)
        self.high_up = Convolved(high)
        self.out = nn.Conv2d(high, 1, 1)

    def forward(self, key: Tensor, words: Tensor) -> Tensor:
        """Take keyframe A unshuffled (B, 12, 32, 32) and word ids (B, WORDS), give logits (B, 1, 32, 32)."""
        place = places(SIDE, key).transpose(1, 2).unflatten(2, (SIDE, SIDE)) * 2 - 1
        x = self.stem(torch.cat([key, place.expand(len(key), -1, -1, -1)], dim=1))
        high = self.high(x)
        middle = self.middle(self.to_middle(high))
        low = self.low(self.to_low(middle) + self.reader(words)[..., None, None])
        middle = self.middle_up(middle + functional.pixel_shuffle(self.from_low(low), 2))
        high = self.high_up(high + functional.pixel_shuffle(self.from_middle(middle), 2))
        return self.out(high).float()


class Convolved(nn.Module):
    """Two full 3x3 convolutions with a residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(functional.gelu(self.first(self.norm(x))))


def between(match: Tensor, conditions: Tensor) -> Tensor:
    """Flows (B, FRAMES, 4, S, S), scaled, of frames between (or beyond) keyframes that match so.

    Motion is taken to be even: the mix of both flows of Super SloMo (Jiang et al., CVPR 2018).
    """
    first, second = (conditions[:, n, None, None, None, None] for n in (0, 1))
    ahead, back = match[:, None, 0:2], match[:, None, 2:4]
    done = (frame_times(match) - first) / (second - first)
    left = 1 - done
    to_a = done.square() * back - left * done * ahead
    to_b = left.square() * ahead - left * done * back
    return torch.cat([to_a, to_b], 2) * FLOW_SCALE * conditions[:, 2, None, None, None, None]


def located(mask: Tensor, moves: Tensor) -> Tensor:
    """Where the object is that a caption moves: (B, 1, S, S) in 0..1, of logits (B, 1, S, S).

    Cells down to a logit of -DOUBT go along: better than an object that is torn. Nowhere, where nothing is
    said to move.
    """
    said = (moves[:, 4:6].abs().sum(1) > LEAST_WAY).to(mask.dtype).reshape(-1, 1, 1, 1)
    return (2 * (mask + DOUBT)).sigmoid() * said


def commanded(moves: Tensor, mask: Tensor, conditions: Tensor) -> Tensor:
    """Flows (B, FRAMES, 4, S, S), scaled, of a camera and one object.

    moves (B, 6): the camera's pan right and down in frames, zoom in octaves, roll in quarter turns, and the
    object's displacement right and down; mask (B, 1, S, S) in 0..1: where the object is in keyframe A.
    """
    times, place = frame_times(moves), places(SIDE, moves).reshape(1, 1, SIDE, SIDE, 2).movedim(-1, 2)
    pan, way = (moves[:, n : n + 2].reshape(-1, 1, 2, 1, 1) for n in (0, 4))
    first, second = (conditions[:, n].reshape(-1, 1, 1, 1, 1) for n in (0, 1))
    where = (way * (first - times)).expand(-1, -1, -1, SIDE, SIDE).flatten(0, 1)
    here = warp(mask.repeat_interleave(FRAMES, dim=0), where).unflatten(0, (-1, FRAMES))
    flows = []
    for key in (first, second):
        apart = key - times
        scale = (moves[:, 2].reshape(-1, 1, 1, 1, 1) * apart * math.log(2)).exp()
        angle = moves[:, 3].reshape(-1, 1, 1, 1, 1) * (math.pi / 2) * apart
        offset = place - 0.5 - pan * times
        across = torch.cat([-offset[:, :, 1:], offset[:, :, :1]], 2)
        camera = scale * (angle.cos() * offset + angle.sin() * across) + 0.5 + pan * key - place
        flows.append(camera + here * (way * apart - camera))
    flows[1] = flows[1] * conditions[:, 2].reshape(-1, 1, 1, 1, 1)
    return torch.cat(flows, 2) * FLOW_SCALE


def warp(picture: Tensor, flow: Tensor) -> Tensor:
    """Sample pictures (B, C, H, W) at backward flow (B, 2, H, W), in frame fractions; edges repeat."""
    height, width = picture.shape[2:]
    x = (torch.arange(width, device=flow.device) + 0.5) / width
    y = (torch.arange(height, device=flow.device) + 0.5) / height
    base = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    where = (base + flow.permute(0, 2, 3, 1)) * 2 - 1
    return functional.grid_sample(picture, where, padding_mode="border", align_corners=False)


def places(side: int, like: Tensor) -> Tensor:
    """Centres of all cells (1, side * side, 2) in fractions of the frame."""
    line = (torch.arange(side, device=like.device) + 0.5) / side
    return torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1).reshape(1, side * side, 2)


def frame_times(like: Tensor) -> Tensor:
    """Give the times (1, FRAMES, 1, 1, 1) of a segment's frames."""
    return torch.linspace(0, 1, FRAMES, device=like.device).reshape(1, FRAMES, 1, 1, 1)
