"""What devices would have taken as video, a second: by their samples, and uncompressed by size and rate.

A device has an estimate once each camera of its birth has been sampled (`edge` says how). Uncompressed is
RGB with 8 bits a channel, as cameras are compared with everywhere here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.schema import BootRow, CameraRow, DeviceRow, UsageSampleRow
from wire import documents
from wire.spent import Codec

RAW_BYTES = 3  # a pixel
COLUMNS: dict[Codec, str] = {Codec.H264: "h264", Codec.H265: "h265"}


@dataclass(frozen=True, slots=True)
class Sampled:
    """What a camera would take: bytes a second on average, their deviation, and of how many windows."""

    rate: float
    deviation: float
    windows: int
    sampled_s: float
    crf: int
    preset: int


@dataclass(frozen=True, slots=True)
class Instead:
    """Bytes a second of all cameras of a device, by column of the sums; without one that is not known."""

    rates: Mapping[str, float]

    def numbers(self, span_ms: int, size: int) -> dict[str, int]:
        """Give what is added to the sums for so long a time in which `size` bytes were sent."""
        numbers: dict[str, int] = {}
        for name, rate in self.rates.items():
            numbers[name] = round(rate * span_ms / 1000)
            numbers[f"{name}_of"] = size
        return numbers


def read(session: Session, device_ids: Sequence[int]) -> dict[int, Instead]:
    """Read the rates of devices as they are now."""
    births = (
        select(DeviceRow.id, BootRow.birth)
        .join(BootRow, (BootRow.device_id == DeviceRow.id) & (BootRow.boot_hex == DeviceRow.boot_hex))
        .where(DeviceRow.id.in_(device_ids), BootRow.birth.is_not(None))
    )
    cameras = select(CameraRow.device_id, CameraRow.name, CameraRow.id).where(
        CameraRow.device_id.in_(device_ids)
    )
    ids: dict[int, dict[str, int]] = {}
    for row in session.execute(cameras):
        ids.setdefault(row.device_id, {})[row.name] = row.id
    sampled = samples(session, [camera_id for named in ids.values() for camera_id in named.values()])
    return {row.id: _instead(row.birth, ids.get(row.id, {}), sampled) for row in session.execute(births)}


def samples(session: Session, camera_ids: Sequence[int]) -> dict[tuple[int, Codec], Sampled]:
    """Give the latest sample of each camera and codec."""
    query = select(UsageSampleRow).where(UsageSampleRow.camera_id.in_(camera_ids))
    return {
        (row.camera_id, Codec(row.codec)): Sampled(
            row.bytes * 1000 / row.sampled_ms, row.deviation, row.windows, row.sampled_ms / 1000, row.crf,
            row.preset,
        )
        for row in session.scalars(query)
    }  # fmt: skip


def _instead(birth: bytes, ids: Mapping[str, int], sampled: Mapping[tuple[int, Codec], Sampled]) -> Instead:
    cameras = documents.decode_birth(birth).cameras
    rates = {"raw": sum(camera.width * camera.height * camera.fps * RAW_BYTES for camera in cameras)}
    for codec, name in COLUMNS.items():
        found = [sampled.get((ids.get(camera.name, -1), codec)) for camera in cameras]
        known = [each.rate for each in found if each is not None]
        if known and len(known) == len(cameras):
            rates[name] = sum(known)
    return Instead(rates if cameras else {})
