"""A store with many devices in it, as ingest would have written them."""

import json
import random

from sqlalchemy import insert

from cloud.registry import table_of
from cloud.schema import Base, BootRow, CameraRow, DeviceRow, TelemetryRow, UsageRecordRow
from cloud.store import Store
from wire import documents
from wire.documents import Birth, CameraInfo

SITES = 20
STATES = ("ready", "ready", "ready", "ready", "sleeping", "lost")


def name_of(number: int) -> str:
    """Give the path of a device."""
    return f"acme/site-{number % SITES:02}/cam-{number:04}"


def stock(store: Store, count: int, now_ms: int) -> None:
    """Write devices: states take turns, every tenth has an alarm, the n-th sends n bytes a second."""
    chance = random.Random(1)
    numbers = range(count)
    with store.write() as session:

        def write(kind: type[Base], rows: list[dict[str, object]]) -> None:
            session.execute(insert(table_of(kind)), rows)

        write(DeviceRow, [_device(number, now_ms - chance.randrange(60_000)) for number in numbers])
        write(BootRow, [_boot(number, now_ms) for number in numbers])
        write(CameraRow, [_camera(number) for number in numbers])
        write(TelemetryRow, [_telemetry(number, now_ms) for number in numbers])
        write(UsageRecordRow, [_record(number, now_ms) for number in numbers])


def _device(number: int, seen_ms: int) -> dict[str, object]:
    _, site, name = name_of(number).split("/")
    return {
        "id": number + 1, "tenant": "acme", "site": site, "name": name, "boot_hex": f"{number:016x}",
        "seen_ms": seen_ms,
    }  # fmt: skip


def _boot(number: int, now_ms: int) -> dict[str, object]:
    birth = Birth(
        f"cam-{number:04}", f"{number:016x}", now_ms - 3_600_000, 50, f"mirage 0.{number % 3}.0", "tiny",
        "0" * 16, (CameraInfo("gate", 1280, 720, 25.0),),
    )  # fmt: skip
    return {
        "id": number + 1, "device_id": number + 1, "boot_hex": f"{number:016x}",
        "birth": documents.encode(birth), "state": STATES[number % len(STATES)], "highest": number,
        "holes": "[]", "born_ms": now_ms - 3_600_000, "changed_ms": now_ms, "derived": number, "lease_ms": 0,
    }  # fmt: skip


def _camera(number: int) -> dict[str, object]:
    return {
        "device_id": number + 1, "name": "gate", "width": 1280, "height": 720, "fps": 25.0,
        "segments": number, "bytes": 1000 * number,
    }  # fmt: skip


def _telemetry(number: int, now_ms: int) -> dict[str, object]:
    return {
        "device_id": number + 1, "at_ms": now_ms, "uptime_s": 3600, "spool_packets": number % 7,
        "spool_bytes": 300 * (number % 7), "spool_age_s": 4 * (number % 7), "dropped": 0, "shed_details": 0,
        "alarms": json.dumps([0] if number % 10 == 0 else []),
    }  # fmt: skip


def _record(number: int, now_ms: int) -> dict[str, object]:
    return {
        "boot_id": number + 1, "uptime_s": 3600, "statement": False, "device_id": number + 1,
        "end_ms": now_ms - 1000, "span_s": 60, "bytes": 60 * number,
        "parts": json.dumps({"": [number], "gate": [0, 9 * number, 20 * number, 30 * number]}),
        "came_ms": now_ms, "counted_ms": None,
    }  # fmt: skip
