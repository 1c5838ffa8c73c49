"""What it costs, at prices that the user gives: none is known here."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from mirage.bench.plan.figures import Figure, Figures, Source, Values
from mirage.errors import InputError
from mirage.output import read_input
from wire.toml import TomlError, parse_as

_MONTH_S = 30 * 86_400

Price = Annotated[float, Meta(ge=0)] | None


class Prices(Struct, frozen=True, forbid_unknown_fields=True):
    """A price list; what is not on it is not added up. deploy/prices.example.toml says what each is."""

    currency: Annotated[str, Meta(min_length=1, max_length=16)]
    uplink_gb: Price = None
    core_month: Price = None
    gpu_month: Price = None
    database_gb_month: Price = None
    object_gb_month: Price = None
    million_objects: Price = None
    million_messages: Price = None


class _Item(NamedTuple):
    formula: str
    amount: Callable[[Values], float]


_ITEMS: Mapping[str, _Item] = {
    "uplink_gb": _Item(
        "link_gb_per_month, or uplink_gb_per_month where that is not known",
        lambda v: v.link_gb_per_month if _known(v, "link_gb_per_month") else v.uplink_gb_per_month,
    ),
    "core_month": _Item(
        "server_cores + render_cores, or without those where GPUs render",
        lambda v: v.server_cores + (0 if _known(v, "render_gpus") else v.render_cores),
    ),
    "gpu_month": _Item("render_gpus", lambda v: v.render_gpus),
    "database_gb_month": _Item("database_gb_postgresql", lambda v: v.database_gb_postgresql),
    "object_gb_month": _Item("object_gb", lambda v: v.object_gb),
    "million_objects": _Item(
        "objects_written_per_s x 30 days", lambda v: v.objects_written_per_s * _MONTH_S / 1e6
    ),
    "million_messages": _Item(
        "broker_messages_per_s / peak x 30 days", lambda v: v.broker_messages_per_s / v.peak * _MONTH_S / 1e6
    ),
}


def load(path: Path) -> Prices:
    """Read a price list, or raise InputError."""
    try:
        return parse_as(read_input(path), Prices, str(path))
    except TomlError as error:
        raise InputError(str(error)) from error


def costs(prices: Prices, given: Figures, wanted: Figures) -> dict[str, Figure]:
    """Give what each item costs in a month, and the sum of them as `total`."""
    values, unit = Values({**given, **wanted}), f"{prices.currency} a month"
    found = dict[str, Figure]()
    for name, item in _ITEMS.items():
        price: float | None = getattr(prices, name)
        if price is None:
            continue
        try:
            amount = item.amount(values)
        except KeyError:
            continue
        found[name] = Figure(price * amount, unit, Source.DERIVED, f"{price:g} x ({item.formula})")
    names = " + ".join(found) or "nothing that has a price"
    found["total"] = Figure(sum(each.value for each in found.values()), unit, Source.DERIVED, names)
    return found


def _known(values: Values, name: str) -> bool:
    try:
        getattr(values, name)
    except KeyError:
        return False
    return True
