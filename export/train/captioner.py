"""Trains the captioner on trunk features of captioned frame grids.

The trunk is frozen, so each grid's features are computed once and kept; an epoch is then cheap.
"""

import collections
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch import Tensor
from torch.nn import functional

from export.data import footage
from export.data.grids import Grid, mirror_words, real_grids, synthetic_grids
from export.data.synthetic import Camera, describe_camera, describe_direction
from export.train.perceptual import load_lite0
from models.tiny import captioner as net

REAL_SHARE = 0.4
REAL_VARIANTS = 8
SYNTHETIC = 14_000


def captions(folder: Path, *, held_out: bool = False) -> list[str]:
    """Written captions of clips and photographs, of the sources trained on or of the held-out ones."""
    clips = [c.text for c in footage.clip_captions(folder) if footage.is_held_out(c.path) == held_out]
    photos = [
        text for path, text in footage.photo_captions(folder).items() if footage.is_held_out(path) == held_out
    ]
    return clips + photos


def motion_phrases() -> list[str]:
    """Every phrase that synthetic motion is described with."""
    slow, fast = 0.06, 0.4
    cameras = [Camera(0, 0, 0, 0)]
    for speed in (slow, fast):
        for sign in (-1, 1):
            cameras += [Camera(sign * speed, 0, 0, 0), Camera(0, sign * speed, 0, 0)]
            cameras += [Camera(0, 0, 2 * sign * speed, 0), Camera(0, 0, 0, 90 * sign * speed)]
    phrases = [describe_camera(c, objects_move=moves) for c in cameras for moves in (False, True)]
    directions = [describe_direction(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y]
    return phrases + [
        f"moves {direction} {speed}" for direction in directions for speed in ("slowly", "quickly")
    ]


def build_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Make a word-level tokenizer over all words of `texts`, the most frequent first."""
    counts = collections.Counter(word for text in texts for word in text.split())
    words = sorted(counts, key=lambda word: (-counts[word], word))
    tokenizer = Tokenizer(
        WordLevel(
            {word: i for i, word in enumerate([*net.SPECIAL, *words])}, unk_token=net.SPECIAL[net.UNKNOWN]
        )
    )
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.add_special_tokens(list(net.SPECIAL))
    return tokenizer


class CaptionerTask:
    """Cross-entropy on captions; a share of each batch is real segments, the rest synthetic motion."""

    def __init__(
        self, folder: Path, cache: Path, device: torch.device, batch: int = 48, synthetic: int = SYNTHETIC
    ) -> None:
        self.tokenizer = build_tokenizer(
            [*captions(folder), *map(mirror_words, captions(folder)), *motion_phrases()]
        )
        self.network = net.build_captioner(self.tokenizer.get_vocab_size()).to(device)
        self.network.encoder.trunk.load_imagenet(load_lite0().state_dict())
        self._device, self._batch = device, batch
        real_grid = real_grids(
            folder, net.TILE_PX, net.LAYOUT, held_out=False, variants=REAL_VARIANTS, seed=1
        )
        made_grid = synthetic_grids(folder, net.TILE_PX, net.LAYOUT, count=synthetic, seed=2)
        key = hashlib.sha256(repr((captions(folder), net.LAYOUT, REAL_VARIANTS, synthetic)).encode())
        self._real = self._features(real_grid, cache / f"captioner-real-{key.hexdigest()[:8]}.npz")
        self._synthetic = self._features(
            made_grid, cache / f"captioner-synthetic-{key.hexdigest()[:8]}.npz", synthetic
        )

    def loss(self, generator: torch.Generator) -> tuple[Tensor, Mapping[str, float]]:
        real = round(self._batch * REAL_SHARE)
        parts = [
            self._draw(self._real, real, generator),
            self._draw(self._synthetic, self._batch - real, generator),
        ]
        features = torch.cat([f for f, _ in parts]).to(self._device)
        labels = torch.cat([ids for _, ids in parts]).to(self._device)
        with torch.autocast(self._device.type, torch.bfloat16):
            states = self.network.encoder.mix(features)
            shifted = torch.cat([torch.full_like(labels[:, :1], net.START), labels[:, :-1]], dim=1)
            logits = self.network.decoder(
                input_ids=shifted, encoder_hidden_states=states, use_cache=False
            ).logits.float()
        target = labels.masked_fill(labels == net.PAD, -100)
        loss = functional.cross_entropy(logits.flatten(0, 1), target.flatten(), label_smoothing=0.05)
        right = (logits.argmax(-1) == labels)[labels != net.PAD].float().mean()
        return loss, {"loss": loss.item(), "right": right.item()}

    def _draw(
        self, kept: tuple[NDArray[np.float16], NDArray[np.int64]], count: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        picks = torch.randint(len(kept[0]), (count,), generator=generator).numpy()
        return torch.from_numpy(kept[0][picks]).float(), torch.from_numpy(kept[1][picks])

    def _features(
        self, grids: Iterable[tuple[Grid, str]], stored: Path, total: int | None = None
    ) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
        if not stored.exists():
            features, texts = [], []
            for grid, text in track(grids, f"features for {stored.name}", total=total):
                features.append(self.trunk_features(grid))
                texts.append(text)
            if not features:
                raise footage.FootageError("no captioned segment or photograph to train on")
            stored.parent.mkdir(parents=True, exist_ok=True)
            part = stored.with_suffix(".part.npz")
            np.savez(part, features=np.stack(features), texts=np.array(texts))
            part.replace(stored)
        with np.load(stored) as arrays:
            return arrays["features"], np.array([self.encode(text) for text in arrays["texts"].tolist()])

    def trunk_features(self, grid: Grid) -> NDArray[np.float16]:
        """Features (cells, 320) of one grid (S, S, 3)."""
        with torch.inference_mode():
            features = self.network.encoder.trunk(to_pixels(grid).to(self._device))
        return features.flatten(2).transpose(1, 2)[0].half().cpu().numpy()

    def encode(self, text: str) -> NDArray[np.int64]:
        """Token ids with the end token, cut and padded to MAX_TOKENS."""
        ids = [*self.tokenizer.encode(text).ids[: net.MAX_TOKENS - 1], net.END]
        return np.array(ids + [net.PAD] * (net.MAX_TOKENS - len(ids)), np.int64)


def to_pixels(grid: Grid) -> Tensor:
    """Normalise a grid (S, S, 3) to (1, 3, S, S)."""
    pixels = (grid.astype(np.float32) / 255 - np.array(net.MEAN)) / np.array(net.DEVIATION)
    return torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32))
