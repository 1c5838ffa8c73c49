"""`mirage bench usage`: what it costs to add up what a fleet says it sent, and to ask for it.

    a minute of every device --records.note, in ingest's batches--> usage_records --Rollup--> usage
    then                     --> the fleet's table, a day over time, those who send most, budgets, an odd hour

Records are written as the inbox writes them, without broker and envelope: see `mirage bench ingest`.
"""

import functools
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from sqlalchemy import insert

from cloud.config_usage import UsageSettings
from cloud.schema import BootRow, CameraRow, DeviceRow, UsageRow
from cloud.store import Store
from cloud.usage import parts, records, sums
from cloud.usage.budgets import Budgets
from cloud.usage.fleet import FleetUsage
from cloud.usage.periods import DAY_MS, HOUR_MS, Grain
from cloud.usage.pruning import prune
from cloud.usage.query import Usage
from cloud.usage.rollup import SETTLED_MS, Rollup
from cloud.usage.telling import Telling
from cloud.usage.warden import Warden
from mirage.bench.report import Gate, Report
from wire import documents
from wire.documents import Birth, CameraInfo
from wire.spent import CAMERA_SLOTS, OWN_SLOTS, Codec, Sample, Spent
from wire.telemetry import Telemetry

BATCH = 512  # of cloud/ingest.py
BOOT_MS = 1_790_000_000_000 // HOUR_MS * HOUR_MS
SETTINGS = UsageSettings(price_per_mb=0.1)
SITES = 20
MONTH_DAYS = 28
TURNS = 5


def run(devices: int, minutes: int, cameras: int) -> Report:
    """Measure with a store in the temporary folder."""
    with tempfile.TemporaryDirectory(prefix="mirage-usage-") as folder:
        store = Store(f"sqlite:///{folder}/store.db")
        try:
            return _measure(store, Path(folder) / "store.db", devices, minutes, cameras)
        finally:
            store.close()


def _measure(store: Store, path: Path, devices: int, minutes: int, cameras: int) -> Report:
    ids = _stock(store, devices, cameras)
    noted, summed, random = list[float](), list[float](), Random(7)  # noqa: S311 -- no secrets
    now_ms, rollup = BOOT_MS, Rollup(store, lambda: now_ms)
    for minute in range(1, minutes + 1):
        said = [_minute(minute, cameras, random) for _ in ids]
        at_ms = BOOT_MS + minute * 60_000
        noted.append(_cpu_s(functools.partial(_note, store, ids, said, at_ms)))
        now_ms = at_ms + SETTLED_MS
        summed.append(_cpu_s(rollup.work))
    rows = _count(path, "usage_records WHERE counted_ms IS NOT NULL")
    results: dict[str, object] = {
        "devices": devices, "cameras": cameras, "minutes": minutes, "records_counted": rows,
        "record_bytes": len(bytes(_minute(1, cameras, random))),
        "note_cpu_s_a_minute": statistics.median(noted), "rollup_cpu_s_a_minute": statistics.median(summed),
        "store_bytes_a_record": path.stat().st_size / max(rows, 1),
    }  # fmt: skip
    _past(store, ids)
    results |= _questions(store, now_ms)
    cost = statistics.median(noted) + statistics.median(summed)
    gates = (
        Gate.at_least("records_counted", rows / (devices * minutes), "of those that were sent", 1.0),
        Gate.at_most("adding_up", cost / 60, "of a core", 0.1),
        Gate.at_most("fleet_table", float(str(results["fleet_ms"])), "ms", 1000.0),
    )
    return Report("usage", gates, results)


def _stock(store: Store, devices: int, cameras: int) -> dict[int, tuple[int, str]]:
    """Make devices; give boot and path of each by row id."""
    infos = tuple(CameraInfo(f"camera-{number}", 1920, 1080, 25.0) for number in range(cameras))
    found: dict[int, tuple[int, str]] = {}
    with store.write() as session:
        for number in range(devices):
            site, name, boot = f"site-{number % SITES}", f"edge-{number}", f"{number:016x}"
            birth = Birth(name, boot, BOOT_MS, 50, "bench", "tiny", "0" * 16, infos)
            device = DeviceRow(tenant="acme", site=site, name=name, boot_hex=boot, seen_ms=BOOT_MS)
            session.add(device)
            session.flush()
            row = BootRow(
                device_id=device.id, boot_hex=boot, birth=documents.encode(birth), changed_ms=BOOT_MS
            )
            session.add_all([row, *(CameraRow(device_id=device.id, name=each.name) for each in infos)])
            session.flush()
            found[device.id] = (row.id, f"acme/{site}/{name}")
    return found


def _minute(minute: int, cameras: int, random: Random) -> Telemetry:
    """Tell of a minute of a street: four to thirty packets of some hundred bytes a camera."""
    places = range(cameras)
    own = [random.randrange(20, 200) if slot < 3 else 0 for slot in range(len(OWN_SLOTS))]
    spent = [Spent(None, tuple(own))]
    for place in places:
        sizes = [random.randrange(50, 3000) if slot < 8 else 0 for slot in range(len(CAMERA_SLOTS))]
        spent.append(Spent(place, tuple(sizes)))
    samples = tuple(
        Sample(place, codec, 30, 60_000, 3_000_000, 20_000, 28, 5) for place in places for codec in Codec
    )
    hourly = samples if minute % 60 == 1 else ()
    return Telemetry(minute * 60, 3, 900, 2, spent=tuple(spent), samples=hourly)


def _note(store: Store, ids: dict[int, tuple[int, str]], said: list[Telemetry], at_ms: int) -> None:
    pairs = list(zip(ids.items(), said, strict=True))
    for first in range(0, len(pairs), BATCH):
        with store.write() as session:
            for (device_id, (boot_id, _)), record in pairs[first : first + BATCH]:
                records.note(session, device_id, boot_id, [record], at_ms)


def _past(store: Store, ids: dict[int, tuple[int, str]]) -> None:
    """Give each device a month of hours and days, as if they had been summed."""
    size, sent = 50_000, parts.encode({"camera-0": [50_000]})
    blank: dict[str, object] = dict.fromkeys(sums.NUMBERS, 0) | {"parts": sent}
    spans = [("hour", BOOT_MS - hour * HOUR_MS, size) for hour in range(1, MONTH_DAYS * 24)]
    day_ms = Grain.DAY.start_ms(BOOT_MS)
    spans += [("day", day_ms - day * DAY_MS, 24 * size) for day in range(1, MONTH_DAYS)]
    with store.write() as session:
        places = sums.place_ids(session, [path for _, path in ids.values()])
    for place_id in places.values():
        rows = [
            blank | {"grain": grain, "place_id": place_id, "start_ms": start_ms, "bytes": amount}
            for grain, start_ms, amount in spans
        ]
        with store.write() as session:
            session.execute(insert(UsageRow), rows)


def _questions(store: Store, now_ms: int) -> dict[str, object]:
    usage, budgets = Usage(store, SETTINGS), Budgets(store, SETTINGS, lambda: now_ms)
    for site in range(SITES):
        budgets.set(f"acme/site-{site}", 10**9)
    budgets.set("", 10**11)
    warden = Warden(store, SETTINGS, Telling(SETTINGS, events=False))
    day_ms = now_ms - DAY_MS
    return {
        "fleet_ms": _median_ms(lambda: FleetUsage(store, SETTINGS, lambda: now_ms).fleet(now_ms)),
        "day_by_hour_ms": _median_ms(lambda: usage.series("", day_ms, now_ms, Grain.HOUR)),
        "hour_by_minute_ms": _median_ms(lambda: usage.series("", now_ms - HOUR_MS, now_ms, Grain.MINUTE)),
        "month_totals_ms": _median_ms(lambda: usage.totals("acme", now_ms - 28 * DAY_MS, now_ms)),
        "top_of_month_ms": _median_ms(lambda: usage.top("", now_ms - 28 * DAY_MS, now_ms, 20)),
        "budgets_ms": _median_ms(lambda: budgets.now(forecasts=False)),
        "odd_hour_ms": _median_ms(lambda: warden.look_at_hour(BOOT_MS - HOUR_MS, now_ms)),
        "prune_ms": _median_ms(lambda: prune(store, SETTINGS, now_ms)),
    }


def _cpu_s(work: Callable[[], object]) -> float:
    begun_s = time.process_time()
    work()
    return time.process_time() - begun_s


def _median_ms(work: Callable[[], object]) -> float:
    times = list[float]()
    for _ in range(TURNS):
        begun_s = time.perf_counter()
        work()
        times.append((time.perf_counter() - begun_s) * 1000)
    return round(statistics.median(times), 2)


def _count(path: Path, what: str) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0])  # noqa: S608 -- ours
    finally:
        connection.close()
