"""Still pictures at equal bytes: one AV1 intra frame (AVIF's payload), one x265 intra frame, our tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mirage.bench.quality.appearance import AppearanceCode, comparison_size
from mirage.bench.quality.codecs import CODERS, Coder
from mirage.bench.quality.fitting import fits_of, shrink

if TYPE_CHECKING:
    from export.judges.features import Features, Panel

Picture = NDArray[np.uint8]  # (H, W, 3), RGB
OURS = "ours"
_SHORTLIST = 2


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """A coded picture at the size of its source, and how good it is."""

    setting: str
    payload_bytes: int
    fits: bool
    picture: Picture
    spatial: float
    pooled: float
    psnr_db: float


def compare_stills(
    code: AppearanceCode, keyframes: Sequence[Picture], target_bytes: int, panel: "Panel"
) -> list[dict[str, Still]]:
    """Code every keyframe (H, W, 3) with our tokens and, at the bytes that these take, with each codec.

    Keyframes should come as large as the source has them; they are compared at `comparison_size`.
    """
    tokens = [code.tokens(keyframe) for keyframe in keyframes]
    planes = code.planes_near(tokens, target_bytes)
    return [
        _compared(code, keyframe, each, planes, panel)
        for keyframe, each in zip(keyframes, tokens, strict=True)
    ]


def _compared(
    code: AppearanceCode, keyframe: Picture, tokens: NDArray[np.uint8], planes: int, panel: "Panel"
) -> dict[str, Still]:
    height, width = keyframe.shape[:2]
    source = shrink(keyframe[None], *comparison_size(width, height))[0]
    seen = panel.features(source[None])
    ours = code.depict(tokens, planes, width, height)
    spatial, pooled = against(panel, ours.picture[None], seen)
    loss = psnr_db(ours.picture, source)
    setting = f"{planes} planes"
    stills = {
        OURS: Still(
            setting,
            ours.payload_bytes,
            fits=True,
            picture=ours.picture,
            spatial=float(spatial[0]),
            pooled=float(pooled[0]),
            psnr_db=loss,
        )
    }
    for coder in CODERS:
        stills[coder.name] = best_still(coder, source, seen, ours.payload_bytes, panel)
    return stills


def best_still(
    coder: Coder, source: Picture, seen: "Sequence[Features]", budget_bytes: int, panel: "Panel"
) -> Still:
    """Try every size that fits; keep the one with the highest sum of both feature cosines.

    `seen` is what the panel sees in `source`. The first judge is quick and makes the shortlist.
    """
    height, width = source.shape[:2]
    fitted = list(fits_of(coder, source[None], Fraction(1), budget_bytes))
    pictures = np.stack([each.picture(width, height) for each in fitted])
    quick = _sum_of_cosines(panel.judges[0].features(pictures), seen[0])
    chosen = np.argsort(-quick, kind="stable")[:_SHORTLIST]
    spatial, pooled = against(panel, pictures[chosen], seen)
    best = int((spatial + pooled).argmax())
    found, picture = fitted[chosen[best]], pictures[chosen[best]]
    setting = f"{found.width}x{found.height} CRF {found.crf}"
    return Still(
        setting, found.coded.payload_bytes, found.fits, picture,
        float(spatial[best]), float(pooled[best]), psnr_db(picture, source),
    )  # fmt: skip


def against(
    panel: "Panel", pictures: NDArray[np.uint8], seen: "Sequence[Features]"
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compare pictures (N, H, W, 3) with one that was seen: spatial and global cosine, (N,) each."""
    from export.judges.features import compare

    wanted = [each[np.zeros(len(pictures), np.intp)] for each in seen]
    likeness = compare(panel.features(pictures), wanted)
    return likeness.spatial, likeness.pooled


def psnr_db(made: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio over all pixels and colours; 100 for identical pictures."""
    error = np.square(made.astype(np.float64) - wanted).mean()
    return 100.0 if error == 0 else float(10 * np.log10(255**2 / error))


def _sum_of_cosines(made: "Features", wanted: "Features") -> NDArray[np.float32]:
    spatial = (made.spatial * wanted.spatial).sum(2).mean(1)
    return np.asarray(spatial + (made.pooled * wanted.pooled).sum(1), np.float32)
