"""One picture of the demo: moments of the source above, the same moments as they came back below."""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from cloud.render.jpeg import COMPOSITE, to_jpeg
from cloud.render.renderer import RenderError
from mirage.errors import OutputError
from mirage.output import write_whole

COLUMNS = 5
_GAP_PX = 4
_QUALITY = 88


def write_strip(film: Path, output: Path) -> None:
    """Stack the halves of COLUMNS evenly spread frames of a side-by-side film. Raises OutputError."""
    frames = _spread(film)
    if not frames:
        raise OutputError(f"{output}: {film} holds no frame")
    columns = [np.concatenate(_halves(frame), axis=0) for frame in frames]
    gap = np.full((columns[0].shape[0], _GAP_PX, 3), 255, np.uint8)
    parts = [part for column in columns for part in (column, gap)][:-1]
    try:
        data = to_jpeg(np.concatenate(parts, axis=1), _QUALITY, COMPOSITE)
    except RenderError as error:
        raise OutputError(f"{output}: {error}") from error
    write_whole(output, data)


def _spread(film: Path) -> list[NDArray[np.uint8]]:
    """Decode the frames in the middle of COLUMNS equal parts, fewer if the film has fewer."""
    with av.open(str(film)) as container:
        count = sum(1 for _ in container.decode(video=0))
    wanted = {int((column + 0.5) * count / COLUMNS) for column in range(COLUMNS)} if count else set()
    with av.open(str(film)) as container:
        decoded = enumerate(container.decode(video=0))
        chosen = [frame for number, frame in decoded if number in wanted]
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in chosen]


def _halves(frame: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Source, gap and reconstruction of a side-by-side frame; the gutter is between the halves."""
    half = (frame.shape[1] - _GAP_PX) // 2
    gap = np.full((_GAP_PX, half, 3), 255, np.uint8)
    return frame[:, :half], gap, frame[:, -half:]
