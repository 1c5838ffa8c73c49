"""Rows of the fleet table, and what of them has changed since they were sent. Pure.

Numbers stay numbers, so that the browser sorts them; `fleet.js` writes them for people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cloud.fleet import DeviceNow

Cell = str | int | float | None
Row = dict[str, Cell]

SEEN_MS = 10_000  # to which the time of the last sign is told: a device that sends is not news each second


def row_of(device: DeviceNow) -> Row:
    """Lay out a device."""
    tenant, site, name = device.id.split("/")
    return {
        "id": device.id,
        "device": name,
        "site": f"{tenant}/{site}",
        "state": device.state,
        "alarms": ", ".join(device.alarms),
        "bytes_today": device.bytes_today,
        "bytes_per_s": _digits(device.bytes_per_s),
        "share": _digits(device.share),
        "ahead": _digits(device.ahead),
        "ratio": _digits(device.ratio),
        "cost": _digits(device.cost),
        "link": device.link,
        "spool_bytes": device.spool_bytes,
        "spool_packets": device.spool_packets,
        "spool_age_s": device.spool_age_s,
        "seen_ms": device.seen_ms - device.seen_ms % SEEN_MS,
        "firmware": device.firmware,
        "bundle": device.bundle,
    }


@dataclass(frozen=True, slots=True)
class Changes:
    """What to tell a table that shows earlier rows; as AG Grid's transactions are called."""

    add: list[Row] = field(default_factory=list)
    update: list[Row] = field(default_factory=list)
    remove: list[Row] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.add or self.update or self.remove)

    def transaction(self) -> dict[str, list[Row]]:
        """Give it as AG Grid takes it."""
        return {"add": self.add, "update": self.update, "remove": self.remove}


def changes(before: Mapping[str, Row], now: Sequence[Row]) -> Changes:
    """Compare rows by id."""
    found = Changes()
    for row in now:
        known = before.get(str(row["id"]))
        if known is None:
            found.add.append(row)
        elif known != row:
            found.update.append(row)
    there = {str(row["id"]) for row in now}
    found.remove.extend({"id": name} for name in before if name not in there)
    return found


def _digits(value: float | None) -> float | None:
    """Keep three digits: what is beyond changes all the time, and is not shown."""
    return None if value is None else float(f"{value:.3g}")
