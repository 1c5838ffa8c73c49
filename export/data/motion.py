"""Samples for the renderer: two keyframes, the frames between, and the motion that links them.

Synthetic scenes give exact flow; real windows give measured flow (DIS) with how well it explains the
frames. Times are fractions of the segment: frames at 0..1, keyframe A in its first third, keyframe B in
the first third of the next segment, or absent. Everything is a batch of tensors on one device.
"""

from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

from export.data.bank import Bank, Dice, unit_grid
from export.data.scenes import Scenes, draw
from models.tiny.motion import FLOW_SCALE, FRAMES, KEY_PX, SIDE
from wire.field import EDGE, FAR

MATCH = 5  # channels: flow from A to B, flow from B to A, how far both are to be believed


@dataclass(frozen=True, slots=True)
class Samples:
    """A batch of the renderer's training samples."""

    frames: Tensor  # uint8 or float (B, FRAMES, 3, KEY_PX, KEY_PX)
    keys: Tensor  # the same (B, 6, KEY_PX, KEY_PX): A, then B, which repeats A where there is none
    clean: Tensor  # (B, FRAMES * 5, SIDE, SIDE)
    guide: Tensor  # (B, FRAMES * 4, SIDE, SIDE)
    match: Tensor  # (B, MATCH, SIDE, SIDE), flows in fractions of the frame
    mask: Tensor  # (B, SIDE, SIDE): the described object in keyframe A; -1 where nobody knows
    conditions: Tensor  # (B, 4): time of A, time of B, B is there, the motion layer is there
    words: Tensor  # int64 (B, WORDS)
    mirrored: Tensor  # int64 (B, WORDS): the words that fit the mirror image

    def __len__(self) -> int:
        return len(self.words)

    def at(self, rows: Tensor) -> Self:
        """Pick rows."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    def to(self, device: torch.device) -> Self:
        """Move everything to a device."""
        return type(self)(*(getattr(self, field.name).to(device) for field in fields(self)))

    def unpacked(self) -> Self:
        """Give pictures as floats in 0..1, and motion in full precision."""

        def number(values: Tensor) -> Tensor:
            if values.dtype == torch.uint8:
                return values.float() / 255
            return values.float() if values.is_floating_point() else values

        return type(self)(*(number(getattr(self, field.name)) for field in fields(self)))

    def flipped(self, rows: Tensor) -> Self:
        """Mirror the samples of `rows` (bool)."""

        def mirror(values: Tensor, sideways: tuple[int, ...], period: int) -> Tensor:
            sign = torch.ones(values.shape[1], device=values.device)
            for channel in sideways:
                sign[channel::period] = -1
            return turn(values, values.flip(-1) * sign[:, None, None])

        def turn(plain: Tensor, turned: Tensor) -> Tensor:
            return torch.where(rows.view(-1, *[1] * (plain.ndim - 1)), turned, plain)

        return type(self)(
            turn(self.frames, self.frames.flip(-1)), turn(self.keys, self.keys.flip(-1)),
            mirror(self.clean, (0, 2), 5), mirror(self.guide, (0, 2), 4), mirror(self.match, (0, 2), MATCH),
            turn(self.mask, self.mask.flip(-1)),
            self.conditions, turn(self.words, self.mirrored),
            turn(self.mirrored, self.words),
        )  # fmt: skip


def joined(parts: list[Samples]) -> Samples:
    """Put batches one after the other."""
    return Samples(*(torch.cat([getattr(p, field.name) for p in parts]) for field in fields(Samples)))


def frame_times(count: int, device: torch.device) -> Tensor:
    """Give the times (count, FRAMES) of a segment's frames."""
    return torch.linspace(0, 1, FRAMES, device=device).expand(count, FRAMES)


def synthetic_samples(bank: Bank, count: int, dice: Dice) -> Samples:
    """Draw scenes and compute everything exactly; what commands say is not told in numbers as well."""
    scenes = draw(bank, count, dice)
    first, second, follows = draw_times(count, dice)
    times = frame_times(count, dice.device)
    seen = torch.cat([times, first[:, None], torch.where(follows, second, first)[:, None]], 1)
    pictures = scenes.frames(seen, KEY_PX)
    flow_a, seen_a = scenes.flow(times, first, SIDE)
    flow_b, seen_b = scenes.flow(times, second, SIDE)
    blend = blend_of(seen_a, seen_b, times, first, second)
    there = follows[:, None, None, None, None]
    clean = torch.cat(
        [flow_a * FLOW_SCALE, (flow_b * FLOW_SCALE) * there, torch.where(there, blend[:, :, None], -1.0)], 2
    )
    ahead, seen_ahead = scenes.flow(first[:, None], second, SIDE)
    back, seen_back = scenes.flow(second[:, None], first, SIDE)
    trust = (seen_ahead * seen_back * follows[:, None, None, None])[:, :, None]
    words = scenes.words()
    return Samples(
        pictures[:, :FRAMES], pictures[:, FRAMES:].flatten(1, 2), clean.flatten(1, 2),
        guide_of(scenes, first, second, follows, dice).flatten(1, 2),
        torch.cat([ahead, back, trust], 2)[:, 0], scenes.described(first, SIDE),
        torch.stack([first, second, follows.float(), (~scenes.command).float()], 1), words, words,
    )  # fmt: skip


def draw_times(count: int, dice: Dice) -> tuple[Tensor, Tensor, Tensor]:
    """Draw the times of keyframes A and B, and whether there is a B."""

    def late() -> Tensor:
        return dice.uniform(count, high=0.33) * dice.chance(count, share=0.5)

    return late(), 1 + late(), dice.chance(count, share=0.7)


def blend_of(seen_a: Tensor, seen_b: Tensor, times: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """-1 where A should show, 1 where B should: the nearer one, unless only the other sees it."""
    to_a, to_b = ((times - key[:, None]).abs()[..., None, None] + 1e-3 for key in (first, second))
    a, b = (seen_a + 0.02) * to_b, (seen_b + 0.02) * to_a
    return (b - a) / (a + b)


def guide_of(scenes: Scenes, first: Tensor, second: Tensor, follows: Tensor, dice: Dice) -> Tensor:
    """Give the field of the motion layer that a device with imperfect eyes would send; none for commands."""
    count, objects = len(scenes.zoom), scenes.objects()
    camera = torch.stack([scenes.pan.real, scenes.pan.imag, scenes.zoom, scenes.roll], 1)
    doubt = dice.chance(count, share=0.6)[:, None]
    error = torch.tensor([0.01, 0.01, 0.02, 0.5], device=dice.device)
    camera = camera + doubt * dice.normal(count, 4) * error
    boxes = objects[..., :6] + doubt[..., None] * dice.normal(*objects.shape[:2], 6, scale=0.02)
    there = (objects[..., 6] > 0) & dice.chance(*objects.shape[:2], share=0.85)
    fields = guide_fields(*quantised(camera, boxes), there, first, second, follows)
    return torch.where(scenes.command[:, None, None, None, None], 0.0, fields)


def quantised(camera: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Round camera motion (B, 4) and boxes (B, N, 6) as wire.motion does."""
    steps = torch.tensor([256.0, 256.0, 32.0, 1.0], device=camera.device)
    limits = torch.tensor([512.0, 512.0, 128.0, 180.0], device=camera.device)
    camera = (camera * steps).clamp(-limits, limits).round() / steps
    place = (boxes[..., 0:2] * 32).clamp(0, 31).round() / 32
    size = (boxes[..., 2:4] * 32).clamp(1, 32).round() / 32
    way = (boxes[..., 4:6] * 64).clamp(-64, 63).round() / 64
    return camera, torch.cat([place, size, way], -1)


def guide_fields(
    camera: Tensor, boxes: Tensor, there: Tensor, first: Tensor, second: Tensor, follows: Tensor
) -> Tensor:
    """wire.field.guide by the batch, for square pictures: (B, FRAMES, 4, SIDE, SIDE)."""
    times = frame_times(len(camera), camera.device)
    grid = unit_grid(SIDE, camera.device)
    pan, centre = torch.complex(camera[:, 0], camera[:, 1])[:, None, None, None], 0.5 + 0.5j
    now = times[..., None, None]
    made = []
    for key in (first[:, None, None, None], second[:, None, None, None]):
        apart = key - now
        turn = torch.polar(
            2.0 ** (camera[:, 2, None, None, None] * apart),
            torch.deg2rad(camera[:, 3, None, None, None] * apart),
        )
        flow = turn * (grid - centre - pan * now) + centre + pan * key - grid
        for box, here in zip(boxes.unbind(1), there.unbind(1), strict=True):
            x, y, width, height, dx, dy = (part[:, None, None, None] for part in box.unbind(1))
            across, along = (grid.real - x - dx * now) / width, (grid.imag - y - dy * now) / height
            radius = 2 * (across.square() + along.square()).sqrt()
            share = ((EDGE[1] - radius) / (EDGE[1] - EDGE[0])).clamp(0, 1) * here[:, None, None, None]
            flow = flow + share * (torch.complex(dx, dy) * apart - flow)
        made.append(torch.view_as_real(flow).movedim(-1, 2))
    made[1] = made[1] * follows[:, None, None, None, None]
    return torch.cat(made, 2).clamp(-FAR, FAR) * FLOW_SCALE
