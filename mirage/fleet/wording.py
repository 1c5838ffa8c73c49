"""Devices in rows of a terminal. Pure."""

from collections.abc import Callable, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from cloud.fleet import DeviceNow
from mirage.output import printable

_STATES = {
    "ready": ("online", "green"), "sleeping": ("asleep", "yellow"), "lost": ("lost", "bold red"),
    "unknown": ("not announced", "dim"),
}  # fmt: skip
_NEAR = 0.7
_UNITS = ("B", "kB", "MB", "GB", "TB")

ORDERS: Mapping[str, Callable[[DeviceNow], tuple[float, float]]] = {
    "rate": lambda device: (device.bytes_per_s, device.bytes_today),
    "today": lambda device: (device.bytes_today, device.bytes_per_s),
    "spool": lambda device: (device.spool_bytes, device.spool_age_s),
    "budget": lambda device: (device.share or 0.0, device.bytes_today),
}  # the largest come first


def ordered(devices: Sequence[DeviceNow], by: str, limit: int) -> list[DeviceNow]:
    """Give the first devices of an order; of equal ones the first by name."""
    key = ORDERS[by]
    return sorted(devices, key=lambda device: (*(-each for each in key(device)), device.id))[:limit]


def table_of(devices: Sequence[DeviceNow], now_ms: int) -> Table:
    """Lay devices out, one a line; costs and links where there are any."""
    costly, linked = any(each.cost is not None for each in devices), any(each.link for each in devices)
    table = Table(box=None, header_style="bold")
    for name in ("device", "state", "seen"):
        table.add_column(name, no_wrap=True)
    for name in ("today", "rate", "budget", *["cost"] * costly, "ratio", "spool"):
        table.add_column(name, justify="right", no_wrap=True)
    if linked:
        table.add_column("link", no_wrap=True)
    for name in ("firmware", "bundle"):
        table.add_column(name, no_wrap=True)
    table.add_column("alarms", overflow="fold")
    for device in devices:
        table.add_row(
            device.id,
            state_text(device.state),
            ago_text(now_ms - device.seen_ms),
            bytes_text(device.bytes_today),
            f"{bytes_text(device.bytes_per_s)}/s",
            _share_text(device.share, device.ahead),
            *["" if device.cost is None else f"{device.cost:,.2f}"] * costly,
            "" if device.ratio is None else f"{float(f'{device.ratio:.2g}'):,.0f}x",
            spool_text(device),
            *[printable(device.link)] * linked,
            printable(device.firmware),
            printable(device.bundle),
            Text(printable(", ".join(device.alarms)), "red"),
        )
    return table


def totals_text(devices: Sequence[DeviceNow]) -> str:
    """Add devices up in one line."""
    counts = {state: sum(device.state == state for device in devices) for state in _STATES}
    told = [f"{count} {_STATES[state][0]}" for state, count in counts.items() if count]
    rate = bytes_text(sum(device.bytes_per_s for device in devices))
    today = bytes_text(sum(device.bytes_today for device in devices))
    many = "1 device" if len(devices) == 1 else f"{len(devices)} devices"
    return f"{many}: {', '.join(told) or 'none'}; {today} today, {rate}/s now"


def state_text(state: str) -> Text:
    """Name a state."""
    return Text(*_STATES.get(state, (state, "")))


def spool_text(device: DeviceNow) -> str:
    """Say how much waits on a device, and how long the oldest of it has."""
    if not device.spool_packets:
        return ""
    return f"{bytes_text(device.spool_bytes)}, {span_text(device.spool_age_s)}"


def bytes_text(count: float) -> str:
    """Say 312 B, 4.1 kB, 2.3 MB.

    >>> bytes_text(4123)
    '4.1 kB'
    """
    place = 0
    while count >= 999.5 and place < len(_UNITS) - 1:
        count, place = count / 1000, place + 1
    return f"{count:.0f} {_UNITS[place]}" if not place or count >= 99.5 else f"{count:.1f} {_UNITS[place]}"


def ago_text(ms: int) -> str:
    """Say now, 5 min, 3 h, 2 d.

    >>> ago_text(61_000)
    '1 min'
    """
    return "now" if ms < 60_000 else span_text(ms // 1000)


def span_text(seconds: int) -> str:
    """Say 12 s, 5 min, 3 h, 2 d."""
    if seconds < 60:
        return f"{max(seconds, 0)} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 2 * 86_400 else f"{seconds // 86_400} d"


def _share_text(share: float | None, ahead: float | None) -> Text:
    """Say what of a budget is used, and where that leads if it leads beyond."""
    if share is None:
        return Text("")
    exceeds = ahead is not None and ahead >= 1 > share
    style = "bold red" if share >= 1 else "yellow" if share >= _NEAR or exceeds else ""
    return Text(f"{share:.0%} -> {ahead:.0%}" if exceeds else f"{share:.0%}", style)
