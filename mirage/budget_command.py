"""`mirage fleet budget`: sets, lists and removes budgets in the cloud's store."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.table import Table

from cloud.config import load
from cloud.store import Store
from cloud.usage.budgets import BudgetNow, Budgets
from mirage.errors import InputError
from mirage.output import as_json, print_line, print_tables

FLEET = "fleet"  # as an argument; a tenant of that name is "fleet/"
WHOLE_FLEET = "whole fleet"  # as it is shown, which no tenant can be called
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?B?)", re.IGNORECASE)


def set_budget(config: Path, place: str, size: str, billing_day: int | None) -> None:
    """Set a budget. Raises InputError, BudgetError."""
    with _budgets(config) as (budgets, _):
        budget = budgets.set(_place(place), parse_bytes(size), billing_day)
    named, day = budget.place or WHOLE_FLEET, budget.billing_day
    print_line(f"{named} may send {budget.bytes_per_month} bytes a month from day {day} on")


def show(config: Path, *, json: bool) -> None:
    """List budgets by place."""
    with _budgets(config) as (budgets, zone):
        found = budgets.now()
    if json:
        print_line(as_json({"budgets": [asdict(each) for each in found]}))
    elif found:
        print_tables(_table(found, zone))
    else:
        print_line("no budgets: mirage fleet budget set PLACE BYTES --config FILE.toml")


def remove(config: Path, place: str) -> None:
    """Remove a budget. Raises BudgetError."""
    with _budgets(config) as (budgets, _):
        budgets.remove(_place(place))
    print_line(f"{_place(place) or WHOLE_FLEET} has no budget any more")


def parse_bytes(text: str) -> int:
    """Read a number of bytes, with a decimal unit or without. Raises InputError."""
    found = _SIZE.fullmatch(text.strip())
    unit = "" if found is None else found[2].upper()
    if found is None or (unit and unit.rstrip("B") + "B" not in _UNITS):
        raise InputError(f"{text!r} is no number of bytes: give 30000000, 30MB or 1.5GB")
    return round(float(found[1]) * _UNITS[f"{unit.rstrip('B')}B" if unit else ""])


def _place(place: str) -> str:
    return "" if place == FLEET else place.removesuffix("/")


def _table(found: Sequence[BudgetNow], zone: ZoneInfo) -> Table:
    table = Table("place", "budget", "used", "share", "until", "forecast (9 of 10)", "told at")
    for each in found:
        ahead = each.forecast
        until = datetime.fromtimestamp(each.to_ms / 1000, zone)
        table.add_row(
            each.place or WHOLE_FLEET,
            _size(each.bytes_per_month),
            _size(each.used),
            f"{each.share:.0%}",
            f"{until:%Y-%m-%d}",
            "" if ahead is None else f"{_size(ahead.expected)} ({_size(ahead.low)} to {_size(ahead.high)})",
            " ".join(f"{percent} %" for percent in each.alerts),
        )
    return table


def _size(size: int) -> str:
    """Write bytes in the largest unit of which there is one at least."""
    unit = max((each for each in _UNITS if each and _UNITS[each] <= max(size, 1)), key=_UNITS.__getitem__)
    return f"{size} B" if unit == "B" else f"{size / _UNITS[unit]:.3g} {unit}"


@contextmanager
def _budgets(config: Path) -> Iterator[tuple[Budgets, ZoneInfo]]:
    settings = load(config)
    store = Store(settings.store.url)
    try:
        yield Budgets(store, settings.usage), settings.usage.zone
    finally:
        store.close()
