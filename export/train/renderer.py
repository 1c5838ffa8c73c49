"""Trains the renderer: rectified flow on motion, plus what its motion makes of the keyframes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from export.data.grids import photo_textures
from export.data.motion import Estimate, Sample, real_samples, synthetic_sample
from models.tiny.renderer import (
    CHANNELS,
    FLOW_SCALE,
    FRAMES,
    GUIDE,
    KEY_PX,
    SIDE,
    WORDS,
    FlowDenoiser,
    shifted,
    warp,
)

REAL_SHARE = 0.5
DROP_CAPTION, DROP_GUIDE = 0.1, 0.35
ZERO_TIME = 0.3  # share of samples at pure noise, where only the conditions can tell what to do
MAX_WEIGHT = 4.0
PHOTO_WEIGHT = 4.0


class RendererTask:
    """Clean-sample prediction with capped velocity weights and a photometric loss on the warped keyframes."""

    def __init__(
        self,
        folder: Path,
        tokenizer: Tokenizer,
        estimate: Estimate,
        device: torch.device,
        batch: int = 12,
        seed: int = 0,
    ) -> None:
        self.network = FlowDenoiser(tokenizer.get_vocab_size()).to(device)
        self._tokenizer, self._device, self._batch = tokenizer, device, batch
        self._textures = photo_textures(folder, 160)
        self._real = real_samples(folder, estimate, held_out=False, seed=seed)
        self._random = np.random.default_rng(seed)

    def loss(self, generator: torch.Generator) -> tuple[Tensor, Mapping[str, float]]:
        samples = [self._draw() for _ in range(self._batch)]
        frames, clean, inputs = collate(samples, self._tokenizer, self._device)
        self._drop(inputs, generator)
        time = self._times(generator)
        noise = torch.randn(clean.shape, generator=generator).to(self._device)
        spread = time[:, None, None, None]
        noisy = clean * spread + noise * (1 - spread)
        with torch.autocast(self._device.type, torch.bfloat16):
            made = self.network(noisy, time, **inputs).float()
        weight = (1 / (1 - spread).square()).clamp(max=MAX_WEIGHT)
        flow = (weight * (made - clean).square()).mean()
        photo = self._photometric(made, frames, inputs["keys"])
        return flow + PHOTO_WEIGHT * photo, {"flow": flow.item(), "photo": photo.item()}

    def _draw(self) -> Sample:
        if self._real and self._random.random() < REAL_SHARE:
            sample = self._real[int(self._random.integers(len(self._real)))]
        else:
            sample = synthetic_sample(self._random, self._textures)
        return sample.mirrored() if self._random.random() < 0.5 else sample

    def _times(self, generator: torch.Generator) -> Tensor:
        plain = torch.rand(self._batch, generator=generator)
        zero = torch.rand(self._batch, generator=generator) < ZERO_TIME
        return torch.where(zero, torch.zeros(()), shifted(plain)).to(self._device)

    def _drop(self, inputs: dict[str, Tensor], generator: torch.Generator) -> None:
        chance = torch.rand(2, self._batch, generator=generator).to(self._device)
        inputs["words"][chance[0] < DROP_CAPTION] = 0
        blind = chance[1] < DROP_GUIDE
        inputs["guide"][blind] = 0
        inputs["conditions"][blind, 3] = 0

    @staticmethod
    def _photometric(made: Tensor, frames: Tensor, keys: Tensor) -> Tensor:
        """Mean absolute error of the frames (B, FRAMES, 3, H, W) that the motion makes of the keyframes."""
        fields = made.reshape(-1, 5, SIDE, SIDE)
        fields = functional.interpolate(fields, size=(KEY_PX, KEY_PX), mode="bilinear", align_corners=False)
        pairs = keys.repeat_interleave(FRAMES, dim=0)
        from_a = warp(pairs[:, :3], fields[:, 0:2] / FLOW_SCALE)
        from_b = warp(pairs[:, 3:], fields[:, 2:4] / FLOW_SCALE)
        share = (fields[:, 4:5] * 0.5 + 0.5).clamp(0, 1)
        return functional.l1_loss(from_a + share * (from_b - from_a), frames.flatten(0, 1))


def collate(
    samples: Sequence[Sample], tokenizer: Tokenizer, device: torch.device
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Frames (B, FRAMES, 3, H, W), clean motion (B, CHANNELS, SIDE, SIDE) and the network's other inputs."""

    def pictures(arrays: Sequence[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(arrays)).movedim(-1, 2).float().to(device) / 255

    def fields(arrays: Sequence[np.ndarray], channels: int) -> Tensor:
        return torch.from_numpy(np.stack(arrays)).reshape(len(samples), channels, SIDE, SIDE).to(device)

    conditions = [[*s.times, float(s.has_next), 1.0] for s in samples]
    inputs = {
        "keys": pictures([s.keys for s in samples]).flatten(1, 2),
        "guide": fields([s.guide for s in samples], GUIDE),
        "conditions": torch.tensor(conditions, device=device),
        "words": torch.tensor([word_ids(tokenizer, s.caption) for s in samples], device=device),
    }
    return pictures([s.frames for s in samples]), fields([s.target for s in samples], CHANNELS), inputs


def word_ids(tokenizer: Tokenizer, caption: str) -> list[int]:
    """Token ids, cut and padded with 0 to WORDS."""
    ids = tokenizer.encode(caption).ids[:WORDS]
    return [*ids, *[0] * (WORDS - len(ids))]
