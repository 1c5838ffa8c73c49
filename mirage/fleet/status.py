"""`mirage fleet status`: every device, once; for people, for programs, and for cron."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import typer

from cloud.clock import wall_ms
from cloud.fleet import DeviceNow
from mirage.errors import InputError
from mirage.fleet.source import fleet_of
from mirage.fleet.wording import table_of, totals_text
from mirage.output import as_json, print_line, print_tables

WRONG: Mapping[str, Callable[[DeviceNow], bool]] = {
    "lost": lambda device: device.state == "lost",
    "alarms": lambda device: bool(device.alarms),
    "budget": lambda device: device.share is not None and device.share >= 1,
    "forecast": lambda device: device.ahead is not None and device.ahead >= 1,
    "spool": lambda device: device.spool_age_s >= 3600,
}  # what may make the command fail


def status(config: Path, place: str | None, fail_on: Sequence[str], *, json: bool) -> None:
    """List devices, those of `place` only if it is given. Exits with 1 if a device has what to `fail_on`.

    Raises ConfigError, StoreError, and InputError for a place with no device.
    """
    with fleet_of(config) as fleet:
        devices = below(fleet.look(), place)
    wrong = {each: [device.id for device in devices if WRONG[each](device)] for each in fail_on}
    if json:
        print_line(as_json({"devices": devices, "failed": wrong}))
    else:
        print_line(totals_text(devices))
        if devices:
            print_tables(table_of(devices, wall_ms()))
    if any(wrong.values()):
        raise typer.Exit(1)


def below(devices: Sequence[DeviceNow], place: str | None) -> list[DeviceNow]:
    """Give the devices of a tenant, a site, or the one. Raises InputError where there is none."""
    if place is None:
        return list(devices)
    names = place.strip("/").split("/")
    found = [device for device in devices if device.id.split("/")[: len(names)] == names]
    if not found:
        raise InputError(f"{place}: no device there; places are TENANT, TENANT/SITE or TENANT/SITE/DEVICE")
    return found
