"""What cameras would take as video, by the windows that devices encoded; with what is not known about it.

rate      bytes of all windows over their time
interval  Student's t for as many windows, times their deviation over the root of their number: nineteen
          times in twenty the true rate is within, if windows were like any other time
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

from sqlalchemy import select

from cloud.schema import CameraRow, DeviceRow, UsageSampleRow
from cloud.store import Store
from wire.spent import Codec

PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
)  # fmt: skip
_HALF = 0.975


@dataclass(frozen=True, slots=True)
class SampleView:
    """A camera's rate as video of a codec, bytes a second: within `low` and `high`, None for one window."""

    camera: str
    codec: str
    preset: str
    crf: int
    windows: int
    sampled_s: float
    bytes_per_s: float
    low: float | None
    high: float | None
    came_ms: int


def listed(store: Store) -> list[SampleView]:
    """Give the latest sample of each camera and codec, by name. Raises StoreError."""
    query = (
        select(DeviceRow, CameraRow.name, UsageSampleRow)
        .join(CameraRow, CameraRow.device_id == DeviceRow.id)
        .join(UsageSampleRow, UsageSampleRow.camera_id == CameraRow.id)
        .order_by(DeviceRow.tenant, DeviceRow.site, DeviceRow.name, CameraRow.name, UsageSampleRow.codec)
    )
    with store.read() as session:
        return [
            _view(f"{device.tenant}/{device.site}/{device.name}/{camera}", row)
            for device, camera, row in session.execute(query)
        ]


def half_width(deviation: float, windows: int) -> float | None:
    """Give how far the true rate may be from that of the windows; None if there is only one."""
    if windows < 2:
        return None
    return student_t(windows - 1) * deviation / math.sqrt(windows)


def student_t(freedom: int) -> float:
    """Give the 97.5th hundredth of Student's distribution.

    Exact for one and two degrees of freedom; else by Cornish and Fisher's expansion (Abramowitz and Stegun
    26.7.5), which is within 1 % from three on.
    """
    if freedom == 1:
        return math.tan(math.pi * (_HALF - 0.5))
    if freedom == 2:
        part = 2 * _HALF - 1
        return part * math.sqrt(2 / (1 - part * part))
    z, n = NormalDist().inv_cdf(_HALF), freedom
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / float(n) ** power for power, term in enumerate(terms, 1))


def _view(camera: str, row: UsageSampleRow) -> SampleView:
    rate, wide = row.bytes * 1000 / row.sampled_ms, half_width(row.deviation, row.windows)
    return SampleView(
        camera=camera,
        codec=Codec(row.codec).name.lower(),
        preset=PRESETS[row.preset] if row.preset < len(PRESETS) else f"preset-{row.preset}",
        crf=row.crf,
        windows=row.windows,
        sampled_s=row.sampled_ms / 1000,
        bytes_per_s=round(rate, 1),
        low=None if wide is None else round(max(rate - wide, 0.0), 1),
        high=None if wide is None else round(rate + wide, 1),
        came_ms=row.came_ms,
    )
