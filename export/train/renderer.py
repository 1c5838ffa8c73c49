"""Trains the renderer: rectified flow on motion, plus what its motion makes of the keyframes.

Scenes are drawn, noised and judged on the training device; the host only counts steps.
"""

from collections.abc import Mapping
from math import pi
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from export.data.bank import Bank, Dice
from export.data.footage import FootageError, clip_textures
from export.data.grids import photo_textures
from export.data.motion import MATCH, Samples, draw_times, joined, synthetic_samples
from export.data.scenes import draw
from export.data.windows import Estimate, real_windows
from models.tiny.motion import FLOW_SCALE, FRAMES, KEY_PX, SIDE, Finder, warp
from models.tiny.renderer import FlowDenoiser, Prediction, shifted
from wire.words import SIZE

BATCH = {"cpu": 12, "cuda": 256}
REAL_SHARE = 0.45
DROP_CAPTION = 0.1  # of samples whose motion is told in numbers
DROP_GUIDE = 0.3  # of real windows; of scenes, commands have none
ZERO_TIME = 0.4  # share of samples at pure noise, where only the conditions can tell what to do
MAX_WEIGHT = 4.0
PHOTO_WEIGHT, MASK_WEIGHT, MATCH_WEIGHT, MOVES_WEIGHT = 4.0, 0.2, 0.5, 0.5
TEXTURE_PX = 160
CALIBRATE_EVERY, CALIBRATE_ON, CALIBRATE_PART = 400, 96, 16  # steps, windows, windows at once
TRUSTS = (0.0, 0.25, 0.5, 0.75, 1.0)
CELL_PX = 8  # side of what is one cell of the appearance code, in a keyframe of KEY_PX
CODES = ((4, 2), (3, 1))  # orders of cosines, of luma and of chroma, that 16 and 8 planes keep of a cell
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
CAPTIONS = 192  # read in every step, without pictures
OBJECTS, ALONE = 32, 0.8  # looked for in every step, in one picture each; share of them without another


class RendererTask:
    """Clean-sample prediction with capped velocity weights and a photometric loss on the warped keyframes.

    Beside them the match of both keyframes, wherever it is known; and on scenes of their own, the mask of
    the object that a caption moves, and what a caption commands in numbers.
    """

    def __init__(
        self,
        folder: Path,
        kept: Path,
        estimate: Estimate,
        device: torch.device,
        batch: int = 0,
        seed: int = 0,
    ) -> None:
        textures = photo_textures(folder, TEXTURE_PX)
        if not textures:
            raise FootageError(f"{folder} holds no captioned photograph to make scenes of")
        self._real = real_windows(folder, estimate, kept, held_out=False, seed=seed).to(device)
        self._bank = Bank.of([*textures, *clip_textures(folder, TEXTURE_PX)], device)
        self._device, self._batch = device, batch or BATCH[device.type]
        self.network = FlowDenoiser(SIZE).to(device)
        self._drawn = 0

    def loss(self, generator: torch.Generator) -> tuple[Tensor, Mapping[str, float]]:
        if self._drawn % CALIBRATE_EVERY == 0 and len(self._real):
            picks = torch.linspace(0, len(self._real) - 1, CALIBRATE_ON, device=self._device).long()
            calibrate(self.network, self._real.at(picks).unpacked())
        self._drawn += 1
        dice = Dice(int(torch.randint(2**62, (), generator=generator)), self._device)
        samples = self._draw(dice)
        time = torch.where(dice.chance(self._batch, share=ZERO_TIME), 0.0, shifted(dice.uniform(self._batch)))
        spread = time[:, None, None, None]
        noise = dice.normal(*samples.clean.shape)
        noisy = samples.clean * spread + noise * (1 - spread)
        with torch.autocast(self._device.type, torch.bfloat16):
            made = self.network.predict(
                noisy, time, as_coded(samples.keys, dice), samples.guide, samples.conditions, samples.words
            )
        weight = (1 / (1 - spread).square()).clamp(max=MAX_WEIGHT)
        flow = (weight * (made.clean - samples.clean).square()).mean()
        photo = functional.l1_loss(shown(made.clean, samples.keys), samples.frames)
        match, moves = _match_loss(made, samples), self._moves_loss(dice)
        with torch.autocast(self._device.type, torch.bfloat16):
            mask = finder_loss(self.network.finder, self._bank, OBJECTS, dice)
        told = MASK_WEIGHT * mask + MATCH_WEIGHT * match + MOVES_WEIGHT * moves
        total = flow + PHOTO_WEIGHT * photo + told
        names = ("flow", "photo", "mask", "match", "moves")
        figures = torch.stack([flow, photo, mask, match, moves]).detach().tolist()
        return total, dict(zip(names, figures, strict=True))

    def _moves_loss(self, dice: Dice) -> Tensor:
        """Mean error of the numbers that are read from captions alone, many of them: they cost no picture."""
        scenes = draw(self._bank, CAPTIONS, dice)
        command = scenes.command.float()
        error = (self.network.commander(scenes.words()) - scenes.moves()).abs().mean(1)
        return FLOW_SCALE * (error * command).sum() / command.sum().clamp(min=1)

    def _draw(self, dice: Dice) -> Samples:
        real = round(self._batch * REAL_SHARE) if len(self._real) else 0
        made = synthetic_samples(self._bank, self._batch - real, dice)
        if real:
            picks = self._real.at(dice.integers(real, below=len(self._real))).unpacked()
            made = joined([picks.flipped(dice.chance(real, share=0.5)), made])
        told = made.conditions[:, 3] > 0
        made.words[told & dice.chance(self._batch, share=DROP_CAPTION)] = 0
        blind = dice.chance(self._batch, share=DROP_GUIDE) & (made.mask[:, 0, 0] < 0)
        made.guide[blind] = 0
        made.conditions[:, 3] = made.conditions[:, 3] * ~blind
        return made


def finder_loss(finder: Finder, bank: Bank, count: int, dice: Dice) -> Tensor:
    """Error of where an object is found in keyframes of `count` scenes, in which captions move one.

    Cross-entropy of each cell, and the Dice loss (Milletari et al., 3DV 2016): some place is to be chosen.
    """
    scenes = draw(bank, count, dice, plain=0.0, one=ALONE)
    times, _, _ = draw_times(count, dice)
    keys = as_coded(scenes.frames(times[:, None], KEY_PX)[:, 0], dice)
    wanted = scenes.described(times, SIDE)
    logits = finder(functional.pixel_unshuffle(keys * 2 - 1, KEY_PX // SIDE), scenes.words())[:, 0]
    found = logits.sigmoid()
    common, all_cells = (found * wanted).sum((1, 2)), (found + wanted).sum((1, 2))
    missed = 1 - (2 * common + 1) / (all_cells + 1)
    return functional.binary_cross_entropy_with_logits(logits, wanted) + missed.mean()


@torch.no_grad()
def calibrate(network: FlowDenoiser, windows: Samples) -> None:
    """Set how far the network is trusted beside a motion layer: as far as it mends what real windows show.

    Flow and blend apart, in quarters, by the photometric error of one step from pure noise.
    """
    was_training = network.training
    network.eval()
    noise = Dice(0, windows.clean.device).normal(*windows.clean.shape)
    time = torch.zeros(len(windows), device=noise.device)
    given = windows.keys, windows.guide, windows.conditions, windows.words
    known, made = (
        _in_parts(network, trust, noise, time, given).unflatten(1, (FRAMES, 5)) for trust in (0.0, 1.0)
    )
    errors = {}
    for flow in TRUSTS:
        for blend in TRUSTS:
            share = torch.tensor([flow] * 4 + [blend], device=noise.device)[:, None, None]
            fields = known.lerp(made, share.expand_as(made)).flatten(1, 2)
            errors[flow, blend] = functional.l1_loss(shown(fields, windows.keys), windows.frames).item()
    flow, blend = min(errors, key=errors.__getitem__)
    network.trust.copy_(torch.tensor([flow] * 4 + [blend]))
    network.train(was_training)


def _in_parts(
    network: FlowDenoiser, trust: float, noise: Tensor, time: Tensor, given: tuple[Tensor, ...]
) -> Tensor:
    network.trust.fill_(trust)
    parts = zip(*(part.split(CALIBRATE_PART) for part in (noise, time, *given)), strict=True)
    return torch.cat([network(*part) for part in parts])


def as_coded(keys: Tensor, dice: Dice) -> Tensor:
    """Leave of two keyframes (B, 3 or 6, H, W) in three what a code of a few hundred bytes does.

    That is in each cell of the code the first cosines, more of them of luma than of chroma, and smoothed:
    26 dB (16 planes) and 27 dB (8 planes) from what the appearance code makes of such scenes.
    """
    kind = dice.integers(len(keys), below=1 + len(CODES))[:, None, None, None]
    gray = (keys.unflatten(1, (-1, 3)) * keys.new_tensor(LUMA)[:, None, None]).sum(2)
    gray = gray.repeat_interleave(3, dim=1)
    made = keys
    for number, (luma, chroma) in enumerate(CODES, start=1):
        coded = _cosines(gray, luma) + _cosines(keys - gray, chroma)
        coded = functional.avg_pool2d(functional.pad(coded, (1, 1, 1, 1), mode="replicate"), 3, 1)
        noisy = coded + dice.normal(*coded.shape, scale=0.01)
        made = torch.where(kind == number, noisy, made)
    return made


def _cosines(pictures: Tensor, order: int) -> Tensor:
    """Keep of each cell the cosines whose frequencies, across and along, add up to less than `order`."""
    steps = torch.arange(CELL_PX, device=pictures.device)
    waves = (pi * (steps + 0.5) * steps[:, None] / CELL_PX).cos() * (2 / CELL_PX) ** 0.5
    waves[0] *= 0.5**0.5
    kept = [torch.outer(waves[v], waves[u]).flatten() for v in range(order) for u in range(order - v)]
    basis = torch.stack(kept)
    cells = functional.pixel_unshuffle(pictures.flatten(0, 1)[:, None], CELL_PX)
    cells = torch.einsum("kp,kq,nqhw->nphw", basis, basis, cells)
    return functional.pixel_shuffle(cells, CELL_PX).reshape(pictures.shape)


def shown(motion: Tensor, keys: Tensor) -> Tensor:
    """Frames (B, FRAMES, 3, KEY_PX, KEY_PX) that motion (B, CHANNELS, SIDE, SIDE) makes of the keyframes."""
    fields = motion.reshape(-1, 5, SIDE, SIDE)
    fields = functional.interpolate(fields, size=(KEY_PX, KEY_PX), mode="bilinear", align_corners=False)
    pairs = keys.repeat_interleave(FRAMES, dim=0)
    from_a = warp(pairs[:, :3], fields[:, 0:2] / FLOW_SCALE)
    from_b = warp(pairs[:, 3:], fields[:, 2:4] / FLOW_SCALE)
    share = (fields[:, 4:5] * 0.5 + 0.5).clamp(0, 1)
    return (from_a + share * (from_b - from_a)).unflatten(0, (-1, FRAMES))


def _match_loss(made: Prediction, samples: Samples) -> Tensor:
    wanted, trust = samples.match.split([MATCH - 1, 1], dim=1)
    return FLOW_SCALE * ((made.match - wanted).abs() * trust).sum() / (trust.sum() * (MATCH - 1)).clamp(min=1)
