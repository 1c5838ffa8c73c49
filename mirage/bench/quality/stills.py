"""Still pictures at equal bytes: one AV1 intra frame (AVIF's payload), one x265 intra frame, our tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from mirage.bench.quality.appearance import AppearanceCode, comparison_size
from mirage.bench.quality.codecs import CODERS, Coder
from mirage.bench.quality.fitting import fits_of, shrink
from mirage.bench.quality.metrics import psnr_db

if TYPE_CHECKING:
    from export.judges.features import Features, Panel

Picture = NDArray[np.uint8]  # (H, W, 3), RGB
OURS = "ours"
_SHORTLIST = 2


class Still(msgspec.Struct, frozen=True):
    """How good a coded picture is, at the size of its source, and what it cost."""

    setting: str
    payload_bytes: int
    fits: bool
    spatial: float
    pooled: float
    psnr_db: float


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """One keyframe at one number of planes; embeddings are those of each judge, (D,) each."""

    stills: dict[str, Still]
    pictures: dict[str, Picture]  # with the source among them
    wanted: tuple[NDArray[np.float32], ...]
    made: tuple[NDArray[np.float32], ...]


def compare(
    code: AppearanceCode,
    keyframe: Picture,
    tokens: NDArray[np.uint8],
    planes: Sequence[int],
    panel: "Panel",
) -> list[Compared]:
    """Compare one keyframe at each of several numbers of planes."""
    height, width = keyframe.shape[:2]
    source = shrink(keyframe[None], *comparison_size(width, height))[0]
    seen = panel.features(source[None])
    return [_compared(code, source, tokens, number, seen, panel) for number in planes]


def _compared(
    code: AppearanceCode,
    source: Picture,
    tokens: NDArray[np.uint8],
    planes: int,
    seen: "Sequence[Features]",
    panel: "Panel",
) -> Compared:
    ours = code.depict(tokens, planes, source.shape[1], source.shape[0])
    features = panel.features(ours.picture[None])
    stills = {OURS: _still(f"{planes} planes", ours.payload_bytes, ours.picture, source, features, seen)}
    pictures = {"source": source, OURS: ours.picture}
    for coder in CODERS:
        stills[coder.name], pictures[coder.name] = best_still(coder, source, seen, ours.payload_bytes, panel)
    return Compared(
        stills, pictures, tuple(each.pooled[0] for each in seen), tuple(each.pooled[0] for each in features)
    )


def retrieved(
    wanted: Sequence[tuple[NDArray[np.float32], ...]], made: Sequence[tuple[NDArray[np.float32], ...]]
) -> list[float]:
    """Tell for each made picture whether its own source is the nearest of all: 1 or 0.

    Nearest by the sum of the judges' cosines of embeddings.
    """
    judges = range(len(wanted[0]))
    cosines = sum(np.stack([m[j] for m in made]) @ np.stack([w[j] for w in wanted]).T for j in judges)
    return [float(row.argmax() == place) for place, row in enumerate(np.asarray(cosines))]


def best_still(
    coder: Coder, source: Picture, seen: "Sequence[Features]", budget_bytes: int, panel: "Panel"
) -> tuple[Still, Picture]:
    """Try every size that fits; keep the one with the highest sum of both feature cosines.

    `seen` is what the panel sees in `source` (H, W, 3). The first judge is quick and makes the shortlist.
    """
    height, width = source.shape[:2]
    fitted = list(fits_of(coder, source[None], Fraction(1), budget_bytes))
    pictures = np.stack([each.picture(width, height) for each in fitted])
    quick = _sum_of_cosines(panel.judges[0].features(pictures), seen[0])
    chosen = np.argsort(-quick, kind="stable")[:_SHORTLIST]
    features = [panel.features(pictures[place][None]) for place in chosen]
    scores = [sum(_sum_of_cosines(a, b)[0] for a, b in zip(each, seen, strict=True)) for each in features]
    best = int(np.argmax(scores))
    found, picture = fitted[chosen[best]], pictures[chosen[best]]
    setting = f"{found.width}x{found.height} CRF {found.crf}"
    spent = found.coded.payload_bytes
    return _still(setting, spent, picture, source, features[best], seen, fits=found.fits), picture


def _still(
    setting: str, payload_bytes: int, picture: Picture, source: Picture,
    made: "Sequence[Features]", wanted: "Sequence[Features]", *, fits: bool = True,
) -> Still:  # fmt: skip
    from export.judges.features import compare as likeness_of

    likeness = likeness_of(made, wanted)
    spatial, pooled = float(likeness.spatial[0]), float(likeness.pooled[0])
    return Still(setting, payload_bytes, fits, spatial, pooled, psnr_db(picture, source))


def _sum_of_cosines(made: "Features", wanted: "Features") -> NDArray[np.float32]:
    spatial = (made.spatial * wanted.spatial).sum(2).mean(1)
    return np.asarray(spatial + (made.pooled * wanted.pooled).sum(1), np.float32)
