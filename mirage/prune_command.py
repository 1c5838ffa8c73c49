"""`mirage cloud prune`: what is over its limit, and that it goes."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from rich.table import Table
from sqlalchemy import select

from cloud.catalog import camera_path
from cloud.clock import wall_ms
from cloud.config import load
from cloud.objects import Objects
from cloud.retention.forecast import forecast
from cloud.retention.pruner import Pruner
from cloud.retention.tally import Tallies, Tally
from cloud.schema import CameraRow, DeviceRow
from cloud.store import Store
from mirage.output import as_json, print_line, print_tables
from mirage.progress import amount_shown


def prune(config: Path, *, dry_run: bool, json: bool) -> None:
    """Remove what is over the limits of a settings file, or only say what that is."""
    settings = load(config)
    store = Store(settings.store.url)
    try:
        objects = Objects(settings.store.objects)
        now_ms = wall_ms()
        told = forecast(store, objects, settings.retention, now_ms)
        if not dry_run:
            with amount_shown("removed", told.count()) as advance:

                def notice(part: Tallies) -> None:
                    advance(part.count())

                told = Pruner(store, objects, settings.retention, notice=notice).prune(now_ms)
        paths = _paths(store)
    finally:
        store.close()
    if json:
        print_line(as_json({"removed": not dry_run, **_document(told, paths)}))
        return
    print_line(_sentence(told, dry_run=dry_run))
    if told.cameras:
        print_tables(_table(told, paths))


def _paths(store: Store) -> dict[int, str]:
    query = select(CameraRow, DeviceRow).join(DeviceRow, DeviceRow.id == CameraRow.device_id)
    with store.read() as session:
        return {camera.id: camera_path(device, camera) for camera, device in session.execute(query)}


def _by_camera(told: Tallies, paths: Mapping[int, str]) -> list[tuple[str, Tally]]:
    named = ((paths[camera_id], tally) for camera_id, tally in told.cameras.items())
    return sorted((each for each in named if each[1].packets or each[1].clips), key=lambda each: each[0])


def _document(told: Tallies, paths: Mapping[int, str]) -> dict[str, object]:
    return {
        "cameras": [{"camera": camera, **asdict(tally)} for camera, tally in _by_camera(told, paths)],
        "quarantine": {"messages": told.messages, "bytes": told.message_bytes},
        "orphans": {"objects": told.orphans, "bytes": told.orphan_bytes},
    }


def _sentence(told: Tallies, *, dry_run: bool) -> str:
    if not told.count():
        return "nothing is over its limit"
    packets = sum(tally.packets for tally in told.cameras.values())
    clips = sum(tally.clips for tally in told.cameras.values())
    what = (
        f"{packets} packets and {clips} clips of {len(told.cameras)} cameras, {told.messages} messages "
        f"of the quarantine, {told.orphans} objects that no clip names"
    )
    return f"would remove {what}" if dry_run else f"removed {what}"


def _table(told: Tallies, paths: Mapping[int, str]) -> Table:
    table = Table("camera", "packets", "bytes", "clips", "bytes of clips")
    for camera, tally in _by_camera(told, paths):
        numbers = (tally.packets, tally.packet_bytes, tally.clips, tally.clip_bytes)
        table.add_row(camera, *(f"{number:,}" for number in numbers))
    return table
