"""What is measured of a result against its source, both (N, H, W, 3) at the same times."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from mirage.bench.quality.flow import Flow, agreement, flows

if TYPE_CHECKING:
    from export.judges.features import Likeness, Panel

Frames = NDArray[np.uint8]
FLOW_STEP = 2  # frames: motion is compared over a quarter of a second
# Frames: about one a second is shown to the judges. Not a divisor of RATE, so that it does not always fall on
# the very frames that a codec at one picture a second has coded.
_JUDGED_EVERY = 7


class Scores(msgspec.Struct, frozen=True):
    """One result of one clip.

    spatial, pooled   feature cosines, mean over judges and over about one frame a second
    psnr_db           mean over all frames
    flow_*            see `mirage.bench.quality.flow.Agreement`; None where the source hardly moves
    unrest            mean size of the second difference in time, in grey levels; a smooth film has little
    """

    setting: str
    bytes: int
    fits: bool
    spatial: float
    pooled: float
    psnr_db: float
    flow_agreement: float | None
    flow_direction: float | None
    flow_speed: float | None
    unrest: float


class Meter:
    """Measures results against one source; looks at the source once."""

    def __init__(self, source: Frames, panel: "Panel") -> None:
        self._source = source
        self._panel = panel
        self._judged = judged_frames(len(source))
        self._seen = panel.features(source[self._judged])
        self._flows: list[Flow] = flows(source, FLOW_STEP)

    def score(self, made: Frames, setting: str, cost_bytes: int, *, fits: bool = True) -> Scores:
        """Measure everything."""
        from export.judges.features import compare

        likeness = compare(self._panel.features(made[self._judged]), self._seen)
        moved = agreement(flows(made, FLOW_STEP), self._flows)
        return Scores(
            setting=setting,
            bytes=cost_bytes,
            fits=fits,
            spatial=float(likeness.spatial.mean()),
            pooled=float(likeness.pooled.mean()),
            psnr_db=float(np.mean([psnr_db(a, b) for a, b in zip(made, self._source, strict=True)])),
            flow_agreement=None if moved is None else moved.agreement,
            flow_direction=None if moved is None else moved.direction,
            flow_speed=None if moved is None else moved.speed,
            unrest=unrest(made),
        )

    def best(self, results: Sequence[Frames], shortlist: int = 2) -> int:
        """Choose the result with the highest sum of both feature cosines.

        The first judge is quick; it makes the shortlist.
        """
        from export.judges.features import compare

        if len(results) == 1:
            return 0
        quick = self._panel.judges[0]

        def glance(made: Frames) -> float:
            return _sum(compare([quick.features(made[self._judged])], self._seen[:1]))

        def look(made: Frames) -> float:
            return _sum(compare(self._panel.features(made[self._judged]), self._seen))

        scores = [glance(made) for made in results]
        chosen = sorted(range(len(results)), key=lambda place: -scores[place])[:shortlist]
        return max(chosen, key=lambda place: look(results[place]))


def judged_frames(count: int) -> NDArray[np.intp]:
    """Choose which of `count` frames the judges see: every seventh, and at least one."""
    return np.arange(min(_JUDGED_EVERY // 2, count - 1), count, _JUDGED_EVERY)


def psnr_db(made: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio over all pixels and colours; 100 for identical pictures."""
    error = np.square(made.astype(np.float32) - wanted).mean()
    return 100.0 if error == 0 else float(10 * np.log10(255**2 / error))


def unrest(frames: Frames) -> float:
    """Mean absolute second difference in time, in grey levels: 0 for a still or evenly changing film."""
    if len(frames) < 3:
        return 0.0
    shown = frames.astype(np.int16)
    return float(np.abs(shown[2:] - 2 * shown[1:-1] + shown[:-2]).mean())


def _sum(likeness: "Likeness") -> float:
    return float((likeness.spatial + likeness.pooled).mean())
