"""Contact sheets: what the numbers look like."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mirage.bench.quality.system import OURS, Outcome, Strip

Picture = NDArray[np.uint8]  # (H, W, 3), RGB
ROW_PX = 112
_LABEL_PX = 84
_GUTTER_PX = 4
_PAPER = 255
_JPEG_QUALITY = 82


def ranked(outcomes: Sequence[Outcome]) -> list[str]:
    """Name clips from the best to the worst spatial cosine of ours."""
    return [each.clip for each in sorted(outcomes, key=lambda each: -each.scores[OURS].spatial)]


def sheet(strips: Sequence[Strip]) -> Picture:
    """Put clips below each other: a row for the source and for each result, columns in time."""
    blocks = [_block(strip) for strip in strips]
    return _stacked(
        [np.pad(b, ((0, 2 * _GUTTER_PX), (0, 0), (0, 0)), constant_values=_PAPER) for b in blocks]
    )


def grid(rows: Sequence[dict[str, Picture]]) -> Picture:
    """Put single pictures side by side, a row for each source, a column for each result."""
    lines = [np.concatenate([_at_height(each) for each in row.values()], axis=1) for row in rows]
    return _stacked(
        [np.pad(line, ((0, _GUTTER_PX), (0, 0), (0, 0)), constant_values=_PAPER) for line in lines]
    )


def jpeg(picture: Picture) -> bytes:
    """Code a picture (H, W, 3) as a JPEG file."""
    done, data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise ValueError("OpenCV cannot write JPEG")
    return bytes(data)


def _stacked(blocks: Sequence[Picture]) -> Picture:
    width = max(block.shape[1] for block in blocks)
    return np.concatenate(
        [np.pad(b, ((0, 0), (0, width - b.shape[1]), (0, 0)), constant_values=_PAPER) for b in blocks]
    )


def _block(strip: Strip) -> Picture:
    lines = [_line(name, frames) for name, frames in strip.rows.items()]
    title = np.full((20, lines[0].shape[1], 3), _PAPER, np.uint8)
    _write(title, strip.clip, 4, 14)
    return np.concatenate([title, *lines])


def _line(name: str, frames: NDArray[np.uint8]) -> Picture:
    label = np.full((ROW_PX, _LABEL_PX, 3), _PAPER, np.uint8)
    _write(label, name, 4, ROW_PX // 2)
    pictures = [
        np.pad(_at_height(f), ((0, 0), (0, _GUTTER_PX), (0, 0)), constant_values=_PAPER) for f in frames
    ]
    line = np.concatenate([label, *pictures], axis=1)
    return np.pad(line, ((0, _GUTTER_PX), (0, 0), (0, 0)), constant_values=_PAPER)


def _at_height(picture: Picture) -> Picture:
    width = round(picture.shape[1] * ROW_PX / picture.shape[0])
    return np.asarray(cv2.resize(picture, (width, ROW_PX), interpolation=cv2.INTER_AREA), np.uint8)


def _write(picture: Picture, text: str, left: int, base: int) -> None:
    cv2.putText(picture, text, (left, base), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (30, 30, 30), 1, cv2.LINE_AA)
