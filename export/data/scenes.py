"""Synthetic motion by the batch, made where the training runs: no picture leaves the device.

    Bank (photographs, masks, words) --draw--> Scenes --> frames, exact flow, visibility, guide, words

Photographs under a moving camera, cut-outs of others moving before them: captions, camera motion and flow
are exact. Points are complex numbers x + iy in fractions of the frame: a similarity is then a * z + b.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor
from torch.nn import functional

from export.data.bank import CONTENT_WORDS, NAME_WORDS, Bank, Cutouts, Dice, everywhere, sampled, unit_grid
from export.data.phrases import CAMERA_PHRASES, OBJECT_PHRASES, PLACE_PHRASES, SPEEDS, head_phrase
from models.tiny.renderer import WORDS
from wire.words import ROLL_DEGREES, WORD_SPEED, ZOOM_OCTAVES, read_words

PLAIN, ONE_CUTOUT = 0.42, 0.36  # shares of a batch: no cut-out, one; the rest has two
COMMANDS = 0.5  # share of scenes whose speeds are those that their words stand for
AKIN, NEAR = 0.4, 24  # share of cut-outs of one of the next pictures in the bank, often of the same source
SLOW, QUICK = (0.03, 0.12), (0.12, 0.6)
UNNAMED = "small piece"
STATIC, PAN, ZOOM, ROLL = range(4)
_STATIC_PHRASE, _NOTHING_PHRASE = 8, 9


@dataclass(frozen=True, slots=True)
class Scenes:
    """A batch of scenes: everything that determines frames (B, T, 3, H, W) at times (B, T)."""

    bank: Bank
    texture: Tensor  # (B,)
    window: Tensor  # (B, 3): size, left, top of what the frame at time 0 shows of the texture
    pan: Tensor  # complex (B,)
    zoom: Tensor  # (B,) octaves
    roll: Tensor  # (B,) degrees
    shake: Tensor  # (B, 2, 2): of x and y, amplitude and phase
    light: Tensor  # (B, 2, 3): gain and offset per channel over the segment
    cutouts: tuple[Cutouts, ...]  # later ones lie over earlier ones; the first is the one that is described
    command: Tensor  # bool (B,): motion is what the words stand for
    phrases: (
        Tensor  # int64 (B, 5): of the camera, the cut-out's place, its motion; 1 if named; 1 if content is
    )

    def camera(self, times: Tensor) -> tuple[Tensor, Tensor]:
        """Map content at time 0 to where it is at times (B, T): a, b of a * z + b."""
        a = torch.polar(2.0 ** (self.zoom[:, None] * times), torch.deg2rad(self.roll[:, None] * times))
        waves = (9 * times[..., None] + self.shake[:, None, :, 1]).sin() - self.shake[:, None, :, 1].sin()
        shake = torch.view_as_complex((self.shake[:, None, :, 0] * waves).contiguous())
        centre = 0.5 + 0.5j
        return a, centre + self.pan[:, None] * times + shake - a * centre

    def frames(self, times: Tensor, side: int) -> Tensor:
        """Render (B, T, 3, side, side) in 0..1."""
        batch, count = times.shape
        points = unit_grid(side, times.device).expand(batch, count, side, side)
        a, b = self.camera(times)
        content = torch.view_as_real((points - everywhere(b)) / everywhere(a))
        size, corner = self.window[:, None, None, None, :1], self.window[:, None, None, None, 1:]
        where = (corner + size * content) * 2 - 1
        pictures = sampled(self.bank.grounds[self.texture], where, "reflection")
        for cutout in self.cutouts:
            rows = slice(cutout.first, None)
            cover, looks = (
                part(self.bank, points[rows], times[rows]) for part in (cutout.cover, cutout.looks)
            )
            pictures[rows] += cover[:, :, None] * (looks - pictures[rows])
        gain, offset = (self.light[:, None, kind, :, None, None] for kind in (0, 1))
        spread = times[:, :, None, None, None]
        return ((pictures / 255) * (1 + gain * spread) + offset * spread).clamp(0, 1)

    def flow(self, times: Tensor, key: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """Backward flow (B, T, 2, side, side) from times (B, T) to key (B,), in frame fractions.

        Beside it visibility (B, T, side, side) of 0 or 1: whether that content is seen at `key`.
        """
        batch, count = times.shape
        grid = unit_grid(side, times.device).expand(batch, count, side, side)
        keys = key[:, None].expand_as(times)
        (a, b), (key_a, key_b) = self.camera(times), self.camera(keys)
        where = everywhere(key_a) * ((grid - everywhere(b)) / everywhere(a)) + everywhere(key_b)
        hidden = torch.zeros_like(where.real)
        for number, cutout in enumerate(self.cutouts):
            rows = slice(cutout.first, None)
            hidden[rows] = hidden[rows].maximum(cutout.cover(self.bank, where[rows], keys[rows]))
            here = cutout.cover(self.bank, grid[rows], times[rows]) > 0.5
            (turn, centre), (key_turn, key_centre) = cutout.pose(times[rows]), cutout.pose(keys[rows])
            moved = (grid[rows] - everywhere(centre)) * everywhere(key_turn / turn) + everywhere(key_centre)
            where[rows] = torch.where(here, moved, where[rows])
            hidden[rows] = torch.where(here, self._over(number, moved, keys, rows), hidden[rows])
        inside = (where.real > 0) & (where.real < 1) & (where.imag > 0) & (where.imag < 1)
        flow = torch.view_as_real(where - grid).movedim(-1, 2)
        return flow, (inside & (hidden < 0.5)).float()

    def _over(self, number: int, points: Tensor, times: Tensor, rows: slice) -> Tensor:
        """How much of cut-out `number`'s points (of its rows) is hidden by later cut-outs."""
        hidden = torch.zeros_like(points.real)
        for later in self.cutouts[number + 1 :]:
            own = slice(later.first - rows.start, None)
            cover = later.cover(self.bank, points[own], times[later.first :])
            hidden[own] = hidden[own].maximum(cover)
        return hidden

    def described(self, key: Tensor, side: int) -> Tensor:
        """Where the described cut-out is seen at `key` (B,): (B, side, side) of 0 or 1."""
        grid = unit_grid(side, key.device).expand(len(key), 1, side, side)
        seen = torch.zeros_like(grid.real)
        for number, cutout in enumerate(self.cutouts):
            rows, times = slice(cutout.first, None), key[cutout.first :, None]
            cover = cutout.cover(self.bank, grid[rows], times) > 0.5
            seen[rows] = torch.where(cover, float(number == 0), seen[rows])
        return seen[:, 0]

    def moves(self) -> Tensor:
        """Pan, zoom in octaves, roll in quarter turns, and the described cut-out's displacement: (B, 6)."""
        way = torch.zeros_like(self.pan)
        if self.cutouts:
            way[self.cutouts[0].first :] = self.cutouts[0].way
        parts = self.pan.real, self.pan.imag, self.zoom, self.roll / ROLL_DEGREES, way.real, way.imag
        return torch.stack(parts, 1)

    def objects(self) -> Tensor:
        """Boxes (B, N, 7) as the motion layer has them: x, y, width, height, dx, dy, and 1 if there."""
        boxes = self.zoom.new_zeros(len(self.zoom), len(self.cutouts), 7)
        for number, cutout in enumerate(self.cutouts):
            parts = [cutout.start.real, cutout.start.imag, *(cutout.size * 0.85).unbind(1)]
            parts += [cutout.way.real, cutout.way.imag, (cutout.way.abs() > 0.03).float()]
            boxes[cutout.first :, number] = torch.stack(parts, 1)
        return boxes

    def words(self) -> Tensor:
        """Word ids (B, WORDS) of the captions."""
        device = self.zoom.device
        camera, place, motion, named, told = self.phrases.unbind(1)
        parts = [self.bank.content[self.texture] * told[:, None]]
        if self.cutouts:
            first = self.cutouts[0].first
            name = torch.where(
                named[first:, None] > 0,
                self.bank.names[self.cutouts[0].texture],
                _ids((UNNAMED,), NAME_WORDS, device),
            )
            tables = (
                _ids(PLACE_PHRASES, 3, device)[place[first:]],
                _ids(OBJECT_PHRASES, 6, device)[motion[first:]],
            )
            described = torch.cat([name, *tables], 1)
            parts.append(functional.pad(described, (0, 0, first, 0)))
        parts.append(_ids(CAMERA_PHRASES, 5, device)[camera])
        ids = torch.cat(parts, 1)
        order = (ids == 0).long().argsort(dim=1, stable=True)  # words first, in their order
        return ids.gather(1, order)[:, :WORDS]

    def captions(self) -> list[str]:
        """Say in words what `words` says in ids."""
        texts = []
        for row, (camera, place, motion, named, told) in enumerate(self.phrases.tolist()):
            content = self.bank.texts[int(self.texture[row])] if told else ""
            parts = [" ".join(_first_words(content, CONTENT_WORDS))]
            if self.cutouts and row >= self.cutouts[0].first:
                texture = int(self.cutouts[0].texture[row - self.cutouts[0].first])
                name = head_phrase(self.bank.texts[texture]) if named else UNNAMED
                parts += [*_first_words(name, NAME_WORDS), PLACE_PHRASES[place], OBJECT_PHRASES[motion]]
            texts.append(" ".join(part for part in (*parts, CAMERA_PHRASES[camera]) if part))
        return texts


def draw(bank: Bank, count: int, dice: Dice, plain: float = PLAIN, one: float = ONE_CUTOUT) -> Scenes:
    """Draw `count` scenes: a share `plain` has no cut-out, then a share `one` has one, the rest two."""
    first, second = round(count * plain), round(count * (plain + one))
    rows = torch.arange(count, device=dice.device)
    command, texture = dice.chance(count, share=COMMANDS), dice.integers(count, below=len(bank.texts))
    kind = _camera_kind(dice, rows >= first)
    pan, zoom, roll, phrase = _draw_camera(dice, kind, command, rows >= first)
    cutouts, described = [], torch.zeros(count, 3, dtype=torch.int64, device=dice.device)
    for number, start in enumerate((first, second)):
        if start < count:
            cutout, phrases = _draw_cutouts(
                bank, dice, start, command[start:], texture[start:], distracts=number > 0
            )
            cutouts.append(cutout)
            if number == 0:
                described[start:] = phrases
    size = dice.uniform(count, low=0.45, high=0.85)
    corner = dice.uniform(count, 2) * (1 - size)[:, None]
    shaken = dice.chance(count, share=0.2) & ~command
    shake = torch.stack(
        [dice.uniform(count, 2, high=0.012) * shaken[:, None], dice.uniform(count, 2, high=6)], 2
    )
    light = dice.normal(count, 2, 3) * torch.tensor([[0.1], [0.04]], device=dice.device)
    light *= dice.chance(count, share=0.3)[:, None, None]
    told = dice.chance(count, share=0.85).long()
    return Scenes(
        bank, texture, torch.cat([size[:, None], corner], 1),
        pan, zoom, roll, shake, light, tuple(cutouts), command,
        torch.cat([phrase[:, None], described, told[:, None]], 1),
    )  # fmt: skip


def _camera_kind(dice: Dice, crowded: Tensor) -> Tensor:
    """Draw STATIC, PAN, ZOOM or ROLL: before cut-outs the camera mostly rests."""
    rest, move = (torch.tensor(row, device=dice.device) for row in ([0.6, 0.85, 0.95], [0.15, 0.7, 0.9]))
    return (dice.uniform(len(crowded), 1) > torch.where(crowded[:, None], rest, move)).sum(1)


def _draw_camera(
    dice: Dice, kind: Tensor, command: Tensor, crowded: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw pan (complex), zoom, roll and the number of the phrase that says so."""
    count = len(kind)
    speed, word = _draw_speed(dice, command)
    side = dice.integers(count, below=4)  # content slides right, down, left, up
    angle = side * (pi / 2) + torch.where(command, 0.0, dice.normal(count, scale=0.25).clamp(-0.7, 0.7))
    sign = 1.0 - 2.0 * (side % 2)
    noise = dice.normal(count, 4) * torch.tensor([0.008, 0.008, 0.03, 0.6], device=dice.device)
    noise *= ((kind != STATIC) & ~command)[:, None]
    moved = torch.polar(speed * (kind == PAN), angle) + torch.complex(noise[:, 0], noise[:, 1])
    zoom = ZOOM_OCTAVES * speed * sign * (kind == ZOOM) + noise[:, 2]
    roll = ROLL_DEGREES * speed * sign * (kind == ROLL) + noise[:, 3]
    direction = torch.where(kind == PAN, side, 4 + 2 * (kind == ROLL) + (sign < 0))
    moving = direction * len(SPEEDS) + word
    resting = len(SPEEDS) * _STATIC_PHRASE + torch.where(
        crowded, 0, (dice.uniform(count) * (_NOTHING_PHRASE - _STATIC_PHRASE + 1)).long()
    )
    silent = (dice.chance(count, share=0.3) & crowded) * (len(CAMERA_PHRASES) - 1 - resting)
    return moved, zoom, roll, torch.where(kind == STATIC, resting + silent, moving)


def _draw_speed(dice: Dice, command: Tensor) -> tuple[Tensor, Tensor]:
    """Draw speeds (B,) and the index in SPEEDS of what they are called."""
    count = len(command)
    said, quick = dice.chance(count, share=0.85), dice.chance(count, share=0.5)
    limits = torch.tensor([SLOW, QUICK], device=dice.device).log()[quick.long()]
    free = (limits[:, 0] + (limits[:, 1] - limits[:, 0]) * dice.uniform(count)).exp()
    word = torch.where(said, torch.where(quick, 2, 1), 0)
    meant = torch.tensor([WORD_SPEED[name] for name in SPEEDS], device=dice.device)[word]
    return torch.where(command, meant * (1 + dice.normal(count, scale=0.03)), free), word


def _draw_cutouts(
    bank: Bank, dice: Dice, first: int, command: Tensor, ground: Tensor, *, distracts: bool
) -> tuple[Cutouts, Tensor]:
    """Draw one cut-out per row and the phrases (B, 3) for its place, its motion and whether it is named.

    Some are of the same source as the ground (B,) behind them, and hard to tell from it.
    """
    count = len(command)
    speed, word = _draw_speed(dice, command)
    if distracts:
        speed = speed * dice.chance(count, share=0.4)
    side = dice.integers(count, below=8)
    angle = side * (pi / 4) + torch.where(command, 0.0, dice.normal(count, scale=0.1))
    way = torch.polar(speed, angle)
    size = dice.uniform(count, 2, low=0.18, high=0.4 if distracts else 0.65)
    middle = dice.uniform(count, 2, low=0.2, high=0.8)
    start = torch.view_as_complex(middle) - way / 2
    still = (dice.chance(count, share=0.5) | command).float()
    shown = dice.uniform(count, 1, low=0.3) ** dice.chance(count, 1, share=0.5)  # all of it, or a part
    akin = (ground + 1 + dice.integers(count, below=NEAR)) % len(bank.texts)
    texture = torch.where(dice.chance(count, share=AKIN), akin, dice.integers(count, below=len(bank.texts)))
    cutout = Cutouts(
        first, texture, dice.integers(count, below=len(bank.masks)),
        start, way, dice.normal(count, scale=0.5) * (1 - still), size,
        dice.normal(count, scale=0.3) * (1 - still), dice.normal(count, scale=20) * (1 - still),
        torch.cat([shown, dice.uniform(count, 2) * (1 - shown)], 1),
    )  # fmt: skip
    verb = (dice.uniform(count).square() * (len(OBJECT_PHRASES) // 24)).long()  # the first one most often
    motion = verb * 24 + side * len(SPEEDS) + word
    place = _place(start) * dice.chance(count, share=0.3)
    return cutout, torch.stack([place, motion, dice.chance(count, share=0.65).long()], 1)


def _place(centre: Tensor) -> Tensor:
    """Which of PLACE_PHRASES says where a point (B,) is: left, right, top, bottom, middle."""
    x, y = centre.real - 0.5, centre.imag - 0.5
    sideways = torch.where(x < 0, 1, 2)
    upright = torch.where(y < 0, 3, 4)
    far = torch.where(x.abs() > y.abs(), sideways, upright)
    return torch.where(torch.maximum(x.abs(), y.abs()) < 0.12, 5, far)


def _first_words(text: str, count: int) -> list[str]:
    return [word for word in text.split() if word not in ("a", "an", "the")][:count]


def _ids(phrases: Sequence[str], length: int, device: torch.device) -> Tensor:
    return torch.tensor([read_words(phrase, length) for phrase in phrases], device=device)
