"""A network that restores faces in decoded pictures: what `mirage bench privacy` attacks codes with.

decoded picture, code of each place --Restorer--> picture --aligned--> embedding: like the source's?
                                                     '--> pixels, edges: like the source's?

It works at a quarter of the picture's side and draws at all of it, so that much is seen around each place.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from export.train.faces import CHIP_PX, FaceEmbedding
from export.train.loop import Plan, Run, reading

WORK_PX = 256  # a side of the squares that are restored
CROP_PX = 128  # of what is learned from
_FOLD = 4
_BATCH = 16
_LEARNING_RATE, _EMA = 3e-3, 0.995
_LIKENESS = 1.0  # what an error of the embedding's cosine weighs against one of a pixel


class Restorer(nn.Module):
    """Corrects decoded pictures (B, 3, H, W) in 0..1, told the code (B, planes, H/4, W/4) of each place."""

    def __init__(self, planes: int, channels: int = 64, blocks: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3 * _FOLD**2 + planes, channels, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, 3, padding=2 ** (number % 3), dilation=2 ** (number % 3)),
                nn.GELU(),
                nn.Conv2d(channels, channels, 1),
            )
            for number in range(blocks)
        )
        self.out = nn.Conv2d(channels, 3 * _FOLD**2, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        if self.out.bias is not None:
            nn.init.zeros_(self.out.bias)

    def forward(self, decoded: Tensor, code: Tensor) -> Tensor:
        folded = functional.pixel_unshuffle(decoded * 2 - 1, _FOLD)
        x = functional.gelu(self.stem(torch.cat([folded, code], dim=1)))
        for block in self.blocks:
            x = x + block(x)
        restored: Tensor = decoded + functional.pixel_shuffle(self.out(x), _FOLD)
        return restored

    def change(self, decoded: NDArray[np.uint8], code: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give what to add to a decoded square (S, S, 3), told its code (planes, h, w): shares of white."""
        small = torch.from_numpy(np.ascontiguousarray(decoded.transpose(2, 0, 1)))[None].float() / 255
        with torch.inference_mode():
            made = self(small, _spread(torch.from_numpy(code)[None]))
        return np.asarray((made - small)[0].permute(1, 2, 0).numpy(), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """What is learned: N crops of CROP_PX around faces, out of squares of WORK_PX, each at T settings.

    wanted uint8 (N, 3, C, C); decoded uint8 (N, T, 3, C, C); codes float32 (N, T, planes, h, w) of the whole
    square in -1..1, 0 where no token was sent; corners int64 (N, 2): row and column of the crop in it,
    multiples of 4; chips float32 (N, 2, 3): shares of the aligned face to those of the crop; vectors float32
    (N, 128): the embeddings of the sources.
    """

    wanted: NDArray[np.uint8]
    decoded: NDArray[np.uint8]
    codes: NDArray[np.float32]
    corners: NDArray[np.int64]
    chips: NDArray[np.float32]
    vectors: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    decoded: Tensor
    code: Tensor
    wanted: Tensor
    chips: Tensor
    vectors: Tensor


class _Lessons:
    """Gives parts of pairs as tensors."""

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = pairs
        self.count, self.settings = pairs.decoded.shape[:2]

    def batch(self, numbers: NDArray[np.int64], settings: NDArray[np.int64]) -> _Batch:
        """Give crops, each at its own setting."""
        pairs = self._pairs
        spread = _spread(torch.from_numpy(pairs.codes[numbers, settings]))
        side = CROP_PX // _FOLD
        code = torch.stack([
            each[:, top : top + side, left : left + side]
            for each, (top, left) in zip(spread, (pairs.corners[numbers] // _FOLD).tolist(), strict=True)
        ])  # fmt: skip
        return _Batch(
            torch.from_numpy(pairs.decoded[numbers, settings]).float() / 255,
            code,
            torch.from_numpy(pairs.wanted[numbers]).float() / 255,
            torch.from_numpy(pairs.chips[numbers]),
            torch.from_numpy(pairs.vectors[numbers]),
        )


class RestoreTask:
    """Restore crops around faces: their pixels, edges and embeddings."""

    def __init__(self, pairs: Pairs, embedding: FaceEmbedding) -> None:
        self.network = Restorer(pairs.codes.shape[2])
        self._embedding = embedding
        self._lessons = _Lessons(pairs)

    def loss(self, generator: torch.Generator) -> tuple[Tensor, Mapping[str, float]]:
        lessons = self._lessons
        numbers = torch.randint(lessons.count, (_BATCH,), generator=generator).numpy()
        settings = torch.randint(lessons.settings, (_BATCH,), generator=generator).numpy()
        batch = lessons.batch(numbers, settings)
        made = self.network(batch.decoded, batch.code)
        error = functional.l1_loss(made, batch.wanted)
        before = functional.l1_loss(batch.decoded, batch.wanted)
        edges = sum(functional.l1_loss(made.diff(dim=axis), batch.wanted.diff(dim=axis)) for axis in (2, 3))
        like = _cosines(self._embedding, made, batch).mean()
        figures = {"error": error.item(), "gained": (before - error).item(), "like": like.item()}
        return error + edges + _LIKENESS * (1 - like), figures


def likeness(
    restorer: Restorer, pairs: Pairs, embedding: FaceEmbedding
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the cosines (N, T) of the embeddings and the sources': as decoded, and restored."""
    before, after = list[NDArray[np.float32]](), list[NDArray[np.float32]]()
    lessons = _Lessons(pairs)
    with torch.inference_mode():
        for number in range(lessons.count):
            every = np.arange(lessons.settings)
            batch = lessons.batch(np.full_like(every, number), every)
            before.append(_cosines(embedding, batch.decoded, batch).numpy())
            after.append(_cosines(embedding, restorer(batch.decoded, batch.code), batch).numpy())
    return np.stack(before), np.stack(after)


def trained(
    planes: int, pairs: Callable[[], Pairs], recognition: Path, minutes: float, checkpoint: Path
) -> Restorer:
    """Train for so many minutes in all, on one thread; goes on where the checkpoint stands.

    `recognition` is dlib's file. A checkpoint with that many minutes is taken as it is. Raises TrainingError
    for a damaged one.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if not _is_done(checkpoint, minutes):
        plan = Plan(minutes=minutes, learning_rate=_LEARNING_RATE, ema=_EMA)
        Run(RestoreTask(pairs(), FaceEmbedding(recognition)), plan, checkpoint, resume=True).train()
    with reading(checkpoint):
        state = torch.load(checkpoint, weights_only=True, map_location="cpu")["average"]
        return _loaded(planes, state)


def write(restorer: Restorer, bundle_sha256: str, path: Path) -> None:
    """Write weights in half precision, for `read`."""
    state = {name: value.half().numpy() for name, value in restorer.state_dict().items()}
    np.savez(path, bundle=np.array(bundle_sha256), **state)


def read(planes: int, bundle_sha256: str, path: Path) -> Restorer | None:
    """Read weights that were trained for this very bundle; None where they are another one's."""
    with np.load(path) as kept:
        if str(kept["bundle"]) != bundle_sha256:
            return None
        names = Restorer(planes).state_dict()
        return _loaded(planes, {name: torch.from_numpy(kept[name]).float() for name in names})


def _loaded(planes: int, state: Mapping[str, Tensor]) -> Restorer:
    restorer = Restorer(planes)
    restorer.load_state_dict(state)
    return restorer.eval()


def _cosines(embedding: FaceEmbedding, pictures: Tensor, batch: _Batch) -> Tensor:
    """Embed the faces of crops (B, 3, C, C); gives the cosines (B,) with the sources' embeddings."""
    maps = batch.chips * 2  # from shares, 0..1, to what grids are made of, -1..1
    linear, corner = maps[..., :2] / 2, maps[..., 2:] - 1
    middle = corner + linear.sum(2, keepdim=True)
    size = [len(pictures), 3, CHIP_PX, CHIP_PX]
    grid = functional.affine_grid(torch.cat([linear, middle], dim=2), size, align_corners=True)
    chips = functional.grid_sample(pictures, grid, "bicubic", "border", align_corners=False)
    return (embedding(chips.clamp(0, 1)) * batch.vectors).sum(1)


def _spread(codes: Tensor) -> Tensor:
    """Give codes (B, planes, h, w) to every place at which the network works."""
    side = WORK_PX // _FOLD
    return functional.interpolate(codes, size=(side, side), mode="bilinear", align_corners=False)


def _is_done(checkpoint: Path, minutes: float) -> bool:
    if not checkpoint.exists():
        return False
    with reading(checkpoint):
        state = torch.load(checkpoint, weights_only=True, map_location="cpu")
        return bool(state["trained_s"] >= 60 * minutes)
