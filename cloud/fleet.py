"""How each device of the fleet is, and what it sends: what pages, exports and the terminal show.

devices, boots, telemetry  --.
usage_records (bytes a second) +--> DeviceNow, by name --> page, /api/v1/fleet, mirage fleet status | top
cloud.usage (day, budget)  --'

All devices come in a few statements, however many they are.
"""

import json
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from threading import Lock

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud import in_force
from cloud.clock import Clock, wall_ms
from cloud.config_usage import UsageSettings
from cloud.identity.alarms import kinds_by_device
from cloud.rollouts import alarms as rollouts
from cloud.schema import BootRow, CameraRow, DeviceRow, TelemetryRow, UsageRecordRow
from cloud.store import Store
from cloud.telemetry import alarm_labels
from cloud.usage.fleet import DeviceUsage, FleetUsage

RATE_MS = 5 * 60_000  # over which a device's rate is told
_LEAST_S = 60.0
FRESH_S = 2.0  # a picture of the fleet is shown to all who look within so long


@dataclass(frozen=True, slots=True)
class DeviceNow:
    """A device. `id` is tenant/site/device; `state` is ready, sleeping, lost or unknown.

    `bytes_today` and `bytes_per_s` are what it sent; `share` is the part of its `budget` for a month that is
    used, `forecast` where that leads, `ratio` how many times more the video that is compared with would have
    taken, `cost` what the month has cost so far. None is what nobody knows. `spool_age_s` is how long the
    oldest packet waits there. `alarms` are the device's own, that two have its identity, that it could not
    be updated, and that it does not do what it last agreed to. `link` is the one that is active, "" where it
    has no name or no choice.
    """

    id: str
    state: str
    seen_ms: int
    bytes_today: int
    bytes_per_s: float
    budget: int | None
    share: float | None
    forecast: int | None
    ratio: float | None
    cost: float | None
    spool_packets: int
    spool_bytes: int
    spool_age_s: int
    dropped: int
    alarms: tuple[str, ...]
    firmware: str
    bundle: str
    cameras: int
    received_bytes: int
    link: str = ""

    @property
    def name(self) -> str:
        return self.id.rpartition("/")[2]

    @property
    def ahead(self) -> float | None:
        """The part of its budget that the forecast says it will have used when the month ends."""
        return None if self.forecast is None or not self.budget else self.forecast / self.budget


class _Said(msgspec.Struct):
    """What of a birth is shown."""

    software: str = ""
    bundle: str = ""


_birth = msgspec.json.Decoder(_Said)
_NONE = _Said()


class Fleet:
    """Looks at all devices at once; safe to share between threads. Raises StoreError."""

    def __init__(self, store: Store, settings: UsageSettings, clock: Clock = wall_ms) -> None:
        """Take `settings` for when days and months begin, and for prices."""
        self._store = store
        self._usage = FleetUsage(store, settings, clock)
        self._clock = clock
        self._lock = Lock()
        self._taken_s = float("-inf")
        self._devices: list[DeviceNow] = []

    def devices(self) -> list[DeviceNow]:
        """List all devices by name, as they were at most FRESH_S ago."""
        with self._lock:  # who comes while another looks gets what that one sees
            if time.monotonic() - self._taken_s >= FRESH_S:
                self._devices = self.look()
                self._taken_s = time.monotonic()
            return self._devices

    def look(self) -> list[DeviceNow]:
        """List all devices by name, as they are now."""
        now_ms = self._clock()
        figures = {each.device: each for each in self._usage.fleet(now_ms)}
        with self._store.read() as session:
            rates = _rates(session, now_ms)
            cameras = _cameras(session)
            doubts = kinds_by_device(session)
            holds = in_force.policies(session)
            stuck = rollouts.failed(session)
            query = (
                select(DeviceRow, BootRow.state, BootRow.birth, TelemetryRow)
                .outerjoin(
                    BootRow, (BootRow.device_id == DeviceRow.id) & (BootRow.boot_hex == DeviceRow.boot_hex)
                )
                .outerjoin(TelemetryRow, TelemetryRow.device_id == DeviceRow.id)
                .order_by(DeviceRow.tenant, DeviceRow.site, DeviceRow.name)
            )
            found = [
                _device(row, state, birth, telemetry, rates, cameras, figures, policy_holds=holds.get(row.id))
                for row, state, birth, telemetry in session.execute(query)
            ]
        return [replace(each, alarms=_all_alarms(each, doubts, stuck)) for each in found]


def _all_alarms(
    device: DeviceNow, doubts: Mapping[str, tuple[str, ...]], stuck: Collection[str]
) -> tuple[str, ...]:
    """Put what the cloud knows of a device before what the device says."""
    update = (rollouts.UPDATE_FAILED,) if device.id in stuck else ()
    return (*doubts.get(device.id, ()), *update, *device.alarms)


def _rates(session: Session, now_ms: int) -> dict[int, float]:
    """Give the bytes a second of each device that told of the last minutes.

    Less than a minute counts as one: a device that has just begun has sent its birth, and little else.
    """
    spans = func.sum(UsageRecordRow.span_s)
    query = (
        select(UsageRecordRow.device_id, func.sum(UsageRecordRow.bytes), spans)
        .where(UsageRecordRow.end_ms > now_ms - RATE_MS, UsageRecordRow.statement.is_(False))
        .group_by(UsageRecordRow.device_id)
        .having(spans > 0)
    )
    return {
        device_id: float(size) / max(float(span_s), _LEAST_S)
        for device_id, size, span_s in session.execute(query)
    }


@dataclass(frozen=True, slots=True)
class _Cameras:
    count: int
    bytes: int


def _cameras(session: Session) -> dict[int, _Cameras]:
    query = select(CameraRow.device_id, func.count(), func.sum(CameraRow.bytes)).group_by(CameraRow.device_id)
    return {device_id: _Cameras(count, int(size)) for device_id, count, size in session.execute(query)}


def _device(
    row: DeviceRow,
    state: str | None,
    birth: bytes | None,
    telemetry: TelemetryRow | None,
    rates: Mapping[int, float],
    cameras: Mapping[int, _Cameras],
    figures: Mapping[str, DeviceUsage],
    *,
    policy_holds: bool | None,
) -> DeviceNow:
    name = f"{row.tenant}/{row.site}/{row.name}"
    said = _NONE if birth is None else _birth.decode(birth)
    figure, seen = figures.get(name), cameras.get(row.id, _Cameras(0, 0))
    return DeviceNow(
        id=name,
        state=state or "unknown",
        seen_ms=row.seen_ms,
        bytes_today=0 if figure is None else figure.bytes_today,
        bytes_per_s=rates.get(row.id, 0.0),
        budget=None if figure is None else figure.budget,
        share=None if figure is None else figure.share,
        forecast=None if figure is None else figure.forecast,
        ratio=None if figure is None else figure.ratio,
        cost=None if figure is None else figure.cost,
        spool_packets=0 if telemetry is None else telemetry.spool_packets,
        spool_bytes=0 if telemetry is None else telemetry.spool_bytes,
        spool_age_s=0 if telemetry is None else telemetry.spool_age_s,
        dropped=0 if telemetry is None else telemetry.dropped,
        alarms=() if telemetry is None else _alarms(telemetry, policy_holds=policy_holds),
        firmware=said.software,
        bundle=said.bundle,
        cameras=seen.count,
        received_bytes=seen.bytes,
        link="" if telemetry is None else json.loads(telemetry.more).get("link", ""),
    )


def _alarms(telemetry: TelemetryRow, *, policy_holds: bool | None) -> tuple[str, ...]:
    lost = (in_force.NOT_IN_FORCE,) if policy_holds is False else ()
    return (*lost, *alarm_labels(telemetry.alarms))
