"""A decoder that is trained for the attack: the bundle's own, and a network after it that restores faces.

    footage, but for the clips that are attacked --at each of `taught`--> tokens --bundle's decoder--> picture
                                                                          '----------+-----------------'
                                             crops around faces, embeddings <--Restorer--'

The bundle's decoder was trained on sharp keyframes of all kinds; this one on people, and also on keyframes
that were averaged and made noisy before they were encoded, so it learns to guess what `picture_px` and
`noise` took away. What it is trained to please is the embedding by which it is attacked.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.render.keyframes import KeyframeDecoder
from export.data import footage
from mirage.bench.privacy import lessons
from mirage.bench.privacy.embed import RECOGNITION, models
from mirage.errors import InputError
from wire.bundle import AppearanceInfo, Bundle

if TYPE_CHECKING:
    from export.train.restorer import Pairs, Restorer

SHIPPED_WEIGHTS = Path(__file__).parent / "restorer.npz"  # what CARD.md is about
FRAME_PX = 360  # short side of what is learned from
_PER_S, _MOST_OF_CLIP = 8.0, 16

Picture = NDArray[np.uint8]  # (H, W, 3)
Tokens = NDArray[np.uint8]  # (D, h, w)


class Attacker:
    """Decodes tokens with the bundle's decoder and restores what comes of it."""

    def __init__(self, bundle: Bundle, restorer: "Restorer") -> None:
        from export.train.restorer import WORK_PX

        self._decoder = KeyframeDecoder(bundle, 1)
        self._code = _Code.of(bundle)
        self._restorer, self._px = restorer, WORK_PX

    def decode(self, tokens: Tokens) -> Picture:
        """Draw tokens (D, h, w), planes left out: (S, S, 3)."""
        picture = self._decoder.decode(tokens)
        change = self._restorer.change(_square(picture, self._px), self._code.array(tokens))
        change = np.asarray(cv2.resize(change, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC))
        return np.asarray((picture + 255 * change).round().clip(0, 255), np.uint8)


def trained(
    bundle: Bundle, folder: Path, excluded: Collection[Path], minutes: float, checkpoint: Path
) -> "Restorer":
    """Train for so many minutes in all; goes on where the checkpoint stands. Pairs are kept beside it.

    Raises InputError where there are no faces to learn from, and TrainingError for a damaged checkpoint.
    """
    from export.train.restorer import trained as train

    def taught() -> "Pairs":
        return kept_pairs(bundle, learned_from(folder, excluded), checkpoint.with_suffix(".npz"))

    return train(_Code.of(bundle).planes, taught, models() / RECOGNITION, minutes, checkpoint)


def shipped(bundle: Bundle) -> "Restorer | None":
    """Give the network that was trained for this very bundle; None for another bundle."""
    from export.train.restorer import read

    return read(_Code.of(bundle).planes, bundle.sha256, SHIPPED_WEIGHTS)


def learned_from(folder: Path, excluded: Collection[Path], *, held_out: bool = False) -> Iterator[Picture]:
    """Give frames and photographs to learn from, or those of sources that nothing is trained on."""
    for path in footage.clips(folder):
        if path not in excluded and footage.is_held_out(path) == held_out:
            frames = footage.read_frames(path, FRAME_PX, _PER_S)
            yield from (rgb for _, rgb in islice(frames, _MOST_OF_CLIP))
    for path in footage.photos(folder):
        if footage.is_held_out(path) == held_out:
            yield footage.read_photo(path, FRAME_PX)


def kept_pairs(bundle: Bundle, frames: Iterable[Picture], kept: Path) -> "Pairs":
    """Read pairs that were made before, or make and keep them. Raises InputError where there are no faces."""
    from export.train.restorer import Pairs

    if kept.exists():
        with np.load(kept) as arrays:
            return Pairs(**arrays)
    code = _Code.of(bundle)
    made = lessons.pairs(bundle, code.info, code.array, frames)
    kept.parent.mkdir(parents=True, exist_ok=True)
    part = kept.with_suffix(".part.npz")
    np.savez(part, **{name: getattr(made, name) for name in Pairs.__slots__})
    part.replace(kept)
    return made


@dataclass(frozen=True, slots=True)
class _Code:
    """How tokens become numbers in -1..1; 0 where none was sent."""

    info: AppearanceInfo

    @classmethod
    def of(cls, bundle: Bundle) -> "_Code":
        info = bundle.manifest.appearance
        if info is None:
            raise InputError(f"{bundle.root}: bundle {bundle.manifest.name} has no appearance code")
        return cls(info)

    @property
    def planes(self) -> int:
        return self.info.planes

    def array(self, tokens: Tokens) -> NDArray[np.float32]:
        code = np.zeros((self.planes, *tokens.shape[1:]), np.float32)
        code[: len(tokens)] = tokens * np.float32(2 / (self.info.levels - 1)) - 1
        return code


def _square(picture: Picture, px: int) -> Picture:
    return np.asarray(cv2.resize(picture, (px, px), interpolation=cv2.INTER_AREA), np.uint8)
