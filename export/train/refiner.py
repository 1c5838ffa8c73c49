"""Trains the refiner: from warped, decoded keyframes to the frame that was really there.

    keyframes --appearance code--> decoded --motion--> warped --refiner--> frame (L1, features of Lite0)

Motion is that of real windows, half measured and half the motion layer's own field, and that of cameras
over photographs, which uncover more. The refiner sees the pictures of the code that it will be used with,
so it is trained after the appearance code.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor
from torch.nn import functional

from export.data.bank import Dice, unit_grid
from export.data.footage import FootageError
from export.data.grids import photo_textures
from export.data.motion import guide_fields
from export.data.windows import Estimate, real_pictures, real_windows, squash
from export.train.appearance import Codec, draw_depths, load_decoder
from export.train.loop import load_average
from export.train.perceptual import FeatureDistance
from models.tiny.appearance import IMAGE_PX, from_tokens, keep_planes, to_tokens
from models.tiny.motion import FLOW_SCALE, FRAMES, SIDE
from models.tiny.refiner import PICTURE_PX, Refiner, composed
from models.tiny.renderer import WORDS
from wire.words import SIZE, read_words

BATCH = {"cpu": 8, "cuda": 64}
PHOTOS, PHOTO_PX = 600, 288
PHOTO_SHARE = 0.35
CROP_PX = 128  # of PICTURE_PX: features are compared on a part, for the sake of time
FEATURE_WEIGHT = 0.1


@dataclass(frozen=True, slots=True)
class Stills:
    """Photographs and, decoded, the part of each that its keyframe shows."""

    keys: Tensor  # uint8 (N, 3, PICTURE_PX, PICTURE_PX)
    whole: Tensor  # uint8 (N, 3, PHOTO_PX, PHOTO_PX)
    parts: Tensor  # (N, 3): size, left and top of the part, in fractions of the whole
    words: Tensor  # int64 (N, WORDS)


class RefinerTask:
    """L1 and feature distance on random parts of real frames and of photographs under a moving camera."""

    def __init__(
        self,
        folder: Path,
        kept: Path,
        estimate: Estimate,
        device: torch.device,
        batch: int = 0,
        seed: int = 0,
    ) -> None:
        codec = Codec()
        load_average(kept / "appearance.pt", codec)
        load_decoder(kept / "decoder.pt", codec)
        depict = Depicter(codec.eval().to(device), kept)
        self._device, self._batch = device, batch or BATCH[device.type]
        self._windows = real_windows(folder, estimate, kept, held_out=False, seed=seed).to(device)
        pictures = real_pictures(folder, held_out=False, seed=seed)
        self._frames, self._which = pictures.frames.to(device), pictures.which.to(device)
        self._keys = torch.cat([depict(part) for part in pictures.keys.split(3, dim=1)], 1).to(device)
        self._photos = _stills(folder, depict, device)
        if not len(self._keys) and not len(self._photos.keys):
            raise FootageError(f"{folder} holds no captioned photograph and no clip to train on")
        self._distance = FeatureDistance().to(device)
        self.network = Refiner(SIZE).to(device)

    def loss(self, generator: torch.Generator) -> tuple[Tensor, Mapping[str, float]]:
        dice = Dice(int(torch.randint(2**62, (), generator=generator)), self._device)
        seen, words, wanted = self._draw(dice)
        with torch.autocast(self._device.type, torch.bfloat16):
            change = self.network(seen, words).float()
        plain = seen[:, :3]
        y, x = (int(n) * 8 for n in torch.randint((PICTURE_PX - CROP_PX) // 8 + 1, (2,), generator=generator))
        part = (..., slice(y, y + CROP_PX), slice(x, x + CROP_PX))
        made = (plain + change)[part]
        with torch.autocast(self._device.type, torch.bfloat16):
            features = self._distance(made.clamp(0, 1), wanted[part])
        error = functional.l1_loss(made, wanted[part])
        gain = functional.l1_loss(plain[part], wanted[part]) - error.detach()
        names = ("l1", "gain", "feature")
        figures = torch.stack([error.detach(), gain, features.detach()]).tolist()
        return error + FEATURE_WEIGHT * features, dict(zip(names, figures, strict=True))

    def _draw(self, dice: Dice) -> tuple[Tensor, Tensor, Tensor]:
        """Draw what the refiner sees (B, 8, 256, 256), words (B, WORDS), and frames (B, 3, 256, 256)."""
        photos = round(self._batch * PHOTO_SHARE) if len(self._photos.keys) else 0
        photos = photos if len(self._keys) else self._batch
        parts = [self._from_photos(photos, dice)] if photos else []
        if photos < self._batch:
            parts.append(self._from_windows(self._batch - photos, dice))
        seen, words, wanted = (torch.cat(column) for column in zip(*parts, strict=True))
        turned = dice.chance(len(seen), share=0.5)[:, None, None, None]
        return torch.where(turned, seen.flip(-1), seen), words, torch.where(turned, wanted.flip(-1), wanted)

    def _from_windows(self, count: int, dice: Dice) -> tuple[Tensor, Tensor, Tensor]:
        rows = dice.integers(count, below=len(self._keys))
        pick = dice.integers(count, below=self._which.shape[1])
        number, every = self._which[rows, pick], torch.arange(count, device=self._device)
        windows = self._windows.at(rows)
        measured = windows.clean.float().unflatten(1, (FRAMES, 5))[every, number]
        told = windows.guide.float().unflatten(1, (FRAMES, 4))[every, number]
        first, second, follows = windows.conditions[:, :3].unbind(1)
        even = ((number / (FRAMES - 1) - first) / (second - first)).clamp(0, 1) * 2 - 1
        blend = torch.where(follows > 0, even, -1.0)[:, None, None, None].expand(-1, 1, SIDE, SIDE)
        field = measured.lerp(torch.cat([told, blend], 1), dice.uniform(count)[:, None, None, None])
        return seen_by(field, self._keys[rows]), windows.words, self._frames[rows, pick].float() / 255

    def _from_photos(self, count: int, dice: Dice) -> tuple[Tensor, Tensor, Tensor]:
        """Move a camera over photographs; what it uncovers is known, for a keyframe shows only a part."""
        rows = dice.integers(count, below=len(self._photos.keys))
        camera = dice.normal(count, 4) * torch.tensor([0.12, 0.12, 0.3, 4.0], device=self._device)
        camera *= dice.chance(count, share=0.75)[:, None]
        zero = camera[:, 0] * 0
        nothing = camera.new_zeros(count, 0)
        fields = guide_fields(
            camera, nothing[..., None].expand(-1, -1, 6), nothing > 0, zero, zero + 1, zero > 0
        )
        every = torch.arange(count, device=self._device)
        flow = fields[every, dice.integers(count, below=FRAMES), :2]
        field = torch.cat([flow, torch.zeros_like(flow), -torch.ones_like(flow[:, :1])], 1)
        keys = self._photos.keys[rows]
        size, corner = self._photos.parts[rows, :1, None], self._photos.parts[rows, 1:]
        fine = _enlarged(flow / FLOW_SCALE, PICTURE_PX).permute(0, 2, 3, 1)
        place = torch.view_as_real(unit_grid(PICTURE_PX, self._device)) + fine
        where = (corner[:, None, None] + size[..., None] * place) * 2 - 1
        wanted = functional.grid_sample(
            self._photos.whole[rows].float() / 255, where, padding_mode="reflection", align_corners=False
        )
        return seen_by(field, torch.cat([keys, keys], 1)), self._photos.words[rows], wanted


class Depicter:
    """Shows pictures as the receiver sees them: through the appearance code, with a random number of planes.

    Results are kept beside the checkpoints, named by the code's weights and the pictures.
    """

    def __init__(self, codec: Codec, kept: Path) -> None:
        self._codec, self._kept = codec, kept
        digest = hashlib.sha256()
        for name, weight in sorted(codec.state_dict().items()):
            digest.update(name.encode() + weight.cpu().numpy().tobytes())
        self._codec_digest = digest.hexdigest()

    def __call__(self, pictures: Tensor) -> Tensor:
        """Code and decode uint8 (N, 3, IMAGE_PX, IMAGE_PX): (N, 3, PICTURE_PX, PICTURE_PX), on the host."""
        name = hashlib.sha256(
            f"depths as in training {self._codec_digest} {PICTURE_PX}".encode() + pictures.numpy().tobytes()
        ).hexdigest()[:12]
        stored = self._kept / f"depicted-{name}.pt"
        if not stored.exists():
            part = stored.with_suffix(".part")
            torch.save(self._decoded(pictures), part)
            part.replace(stored)
        made: Tensor = torch.load(stored, weights_only=True)
        return made

    @torch.no_grad()
    def _decoded(self, pictures: Tensor) -> Tensor:
        device = next(self._codec.parameters()).device
        random = torch.Generator().manual_seed(0)
        made = [torch.zeros(0, 3, PICTURE_PX, PICTURE_PX, dtype=torch.uint8)]
        parts = pictures.split(16) if len(pictures) else ()
        for some in track(parts, "pictures through the appearance code"):
            depths = draw_depths(len(some), random).to(device)
            code = from_tokens(to_tokens(self._codec.encoder(some.to(device).float() / 255)))
            picture = self._codec.decoder(keep_planes(code, depths))
            picture = _enlarged(picture, PICTURE_PX).clamp(0, 1)
            made.append((picture * 255).round().to(torch.uint8).cpu())
        return torch.cat(made)


def _stills(folder: Path, depict: Depicter, device: torch.device) -> Stills:
    textures = photo_textures(folder, PHOTO_PX)
    textures = textures[:: max(1, len(textures) // PHOTOS)]
    random = np.random.default_rng(0)
    keys, whole, parts = [], [], []
    for texture in textures:
        size = float(random.uniform(0.6, 1.0))
        left, top = random.uniform(0, 1 - size, 2)
        square = squash(texture.rgb, PHOTO_PX)
        x, y, side = (round(n * PHOTO_PX) for n in (left, top, size))
        keys.append(squash(square[y : y + side, x : x + side], IMAGE_PX))
        whole.append(square)
        parts.append([side / PHOTO_PX, x / PHOTO_PX, y / PHOTO_PX])

    def stacked(pictures: list[NDArray[np.uint8]], side: int) -> Tensor:
        return torch.from_numpy(np.array(pictures, np.uint8).reshape(-1, side, side, 3)).permute(0, 3, 1, 2)

    words = [read_words(texture.caption, WORDS) for texture in textures]
    return Stills(
        depict(stacked(keys, IMAGE_PX).contiguous()).to(device), stacked(whole, PHOTO_PX).to(device),
        torch.tensor(parts, device=device).reshape(-1, 3),
        torch.tensor(words, dtype=torch.int64, device=device).reshape(-1, WORDS),
    )  # fmt: skip


def seen_by(field: Tensor, keys: Tensor) -> Tensor:
    """Give what the refiner sees: field (B, 5, SIDE, SIDE), flows scaled; keys uint8 (B, 6, 256, 256)."""
    scale = torch.tensor([FLOW_SCALE] * 4 + [1.0], device=field.device)[:, None, None]
    return composed(_enlarged(field / scale, PICTURE_PX), keys.float() / 255)


def _enlarged(field: Tensor, side: int) -> Tensor:
    return functional.interpolate(field, (side, side), mode="bilinear", align_corners=False)
