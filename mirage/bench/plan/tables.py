"""A plan as tables: what is known and from where, what is asked for, and which part breaks first."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import RenderableType
from rich.table import Table

from mirage.bench.plan.figures import Figures
from mirage.bench.plan.numbers import rounded
from mirage.bench.plan.parts import STORES

if TYPE_CHECKING:
    from mirage.bench.plan.command import Plan


def tables(given: Figures, figures: Figures, plans: "Sequence[Plan]") -> list[RenderableType]:
    """Draw all tables of a plan."""
    found: list[RenderableType] = [
        _sources("the fleet", given), _sources("a unit of each part", figures), _wanted(plans), _parts(plans),
    ]  # fmt: skip
    if any(plan.costs for plan in plans):
        found.append(_costs(plans))
    return [*found, *(_verdict(plan, store) for plan in plans for store in STORES)]


def _sources(title: str, figures: Figures) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("figure", "value", "unit", "source", "how"):
        table.add_column(name, justify="right" if name == "value" else "left")
    for name, figure in figures.items():
        table.add_row(name, rounded(figure.value), figure.unit, figure.source.value, figure.how)
    return table


def _wanted(plans: "Sequence[Plan]") -> Table:
    table = _by_cameras("what is asked for (derived)", plans)
    for name, figure in plans[0].demands.items():
        row = (rounded(plan.demands[name].value) for plan in plans)
        table.add_row(name, *row, figure.unit, figure.how)
    return table


def _parts(plans: "Sequence[Plan]") -> Table:
    table = Table(title="which part breaks first", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("part")
    table.add_column("a unit")
    table.add_column("cameras that one carries", justify="right")
    for plan in plans:
        table.add_column(f"units for {plan.cameras:,}", justify="right")
    table.add_column("then")
    units = [{part.name: part.units for part in plan.parts} for plan in plans]
    for part in plans[0].parts:
        counts = (f"{each[part.name]:,}" for each in units)
        table.add_row(part.name, part.unit, rounded(part.cameras_of_one), *counts, part.replacement)
    return table


def _costs(plans: "Sequence[Plan]") -> Table:
    table = _by_cameras("cost, at the prices that were given (derived)", plans)
    for name, figure in plans[0].costs.items():
        table.add_row(name, *(rounded(plan.costs[name].value) for plan in plans), figure.unit, figure.how)
    return table


def _by_cameras(title: str, plans: "Sequence[Plan]") -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("")
    for plan in plans:
        table.add_column(f"{plan.cameras:,} cameras", justify="right")
    table.add_column("unit")
    table.add_column("how")
    return table


def _verdict(plan: "Plan", store: str) -> str:
    what = f"{plan.cameras:,} cameras on {store}"
    parts = [part for part in plan.parts if part.store in (None, store)]
    if not parts:
        return f"{what}: nothing is known of any part"
    if names := plan.breaks[store]:
        return f"{what}: one unit is too little of {'; '.join(names)}"
    first = f"{parts[0].name}, at {rounded(parts[0].cameras_of_one)}"
    return f"{what}: one unit of each part is enough; first to break is {first}"
