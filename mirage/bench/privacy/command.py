"""The rim of `mirage bench privacy`: options in, report and pictures out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mirage.bench.privacy.inversion import Found
from mirage.bench.privacy.run import Measured, Request, run
from mirage.bench.quality.pictures import jpeg
from mirage.bench.report import Report, print_report
from mirage.output import write_whole

_COLUMN_PX, _ROW_PX, _GUTTER_PX = 200, 150, 4


@dataclass(frozen=True, slots=True)
class Output:
    """Where results go besides stdout."""

    pictures: Path | None
    as_json: bool


def main(request: Request, output: Output) -> None:
    """Run, write pictures if asked for, print. Raises what `run` raises, and OutputError."""
    report, measured, shown = run(request)
    if output.pictures is not None:
        for name, rows in shown.rows.items():
            write_whole(output.pictures / f"{name}.jpg", jpeg(sheet(rows)))
    if not output.as_json:
        report = Report(report.bench, report.gates, digest(measured))
    print_report(report, as_json=output.as_json)


def digest(measured: Measured) -> dict[str, object]:
    """Leave of the results what a person wants to see at once."""
    shown = dict[str, object]()
    for name, found in (measured.controls or {}).items():
        shown[name] = {kind: _rate(each) for kind, each in found.items()}
    for leak in measured.leaks:
        each = {"faces": leak.faces, "faces in one room": leak.room, "people": leak.people}
        shown[leak.setting] = {kind: _rate(found) for kind, found in each.items()}
    for two in measured.exchanged:
        less = f"{two.difference.mean:.2f} [{two.difference.low:.2f}, {two.difference.high:.2f}]"
        rates = f"{two.own.rate:.2f}, {two.other.rate:.2f}; difference {less}"
        shown[f"{two.setting}, own face or another's"] = rates
    if measured.captions is not None:
        shown["captions that differ"] = measured.captions.different
    return shown


def sheet(rows: Mapping[str, list[NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """Put pictures into a grid: a row for the sources, one below it for each decoder."""
    lines = [np.concatenate([_tile(each) for each in pictures], axis=1) for pictures in rows.values()]
    return np.concatenate(lines)


def _tile(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut the middle to one shape."""
    height, width = picture.shape[:2]
    across = min(width, round(height * _COLUMN_PX / _ROW_PX))
    down = min(height, round(width * _ROW_PX / _COLUMN_PX))
    left, top = (width - across) // 2, (height - down) // 4
    part = picture[top : top + down, left : left + across]
    tile = cv2.resize(part, (_COLUMN_PX, _ROW_PX), interpolation=cv2.INTER_AREA)
    return np.pad(tile, ((0, _GUTTER_PX), (0, _GUTTER_PX), (0, 0)), constant_values=255)


def _rate(found: Found) -> str:
    best = found.best
    return f"{best.rate:.2f} [{best.low:.2f}, {best.high:.2f}], chance {best.chance:.2f}, {found.by}"
