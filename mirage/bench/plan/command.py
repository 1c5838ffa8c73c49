"""`mirage bench plan`: figures, fleet and prices in; for each number of cameras, a plan out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct, structs

from mirage.bench.plan import prices as price_list
from mirage.bench.plan.assumptions import Assumptions
from mirage.bench.plan.demand import demands
from mirage.bench.plan.figures import UNITS, Figure, Figures, Source
from mirage.bench.plan.measuring import measure
from mirage.bench.plan.parts import STORES, Part, breaking, parts
from mirage.bench.plan.picture import draw
from mirage.bench.plan.prices import Prices
from mirage.bench.plan.reading import Read, read, together
from mirage.bench.plan.tables import tables
from mirage.bench.report import Report, print_report
from mirage.bundles import bundle_folder
from mirage.errors import InputError
from mirage.output import print_tables, write_whole


@dataclass(frozen=True, slots=True)
class Request:
    """What is planned: `cameras` in any number of sizes; figures of files are not measured again."""

    cameras: Sequence[int]
    files: Sequence[Path]
    assumptions: Assumptions
    gpu_s_per_clip_s: float | None
    prices: Path | None
    packets: int
    turns: int
    bundle: Path | None


@dataclass(frozen=True, slots=True)
class Output:
    """Where a plan goes: JSON or tables on stdout, and a picture."""

    json: bool
    plot: Path | None


class Plan(Struct, frozen=True):
    """What one number of cameras needs. `breaks`: by database, the parts of which one unit is too little."""

    cameras: int
    demands: dict[str, Figure]
    parts: list[Part]
    breaks: dict[str, list[str]]
    costs: dict[str, Figure]


def main(request: Request, output: Output) -> None:
    """Plan, and print it. Raises InputError, DemoError, BundleError, OutputError."""
    _check_plot(output.plot)
    prices = None if request.prices is None else price_list.load(request.prices)
    files = [read(path) for path in request.files]
    figures = _figures(request, files)
    given = request.assumptions.figures()
    plans = [_plan(cameras, given, figures, prices) for cameras in request.cameras]
    if output.plot is not None:
        write_whole(output.plot, draw(plans[0].parts, request.cameras))
    if output.json:
        print_report(report(given, figures, plans, [file.about for file in files]), as_json=True)
    else:
        print_tables(*(file.about for file in files), *tables(given, figures, plans))


def report(given: Figures, figures: Figures, plans: "Sequence[Plan]", files: Sequence[str] = ()) -> Report:
    """Make the report: no gates, since nothing here is a target."""
    results = {
        "files": list(files),
        "assumptions": dict(given),
        "figures": dict(figures),
        "unknown": [name for name in UNITS if name not in figures],
        "plans": [structs.asdict(plan) for plan in plans],
    }
    return Report("plan", (), results)


def _figures(request: Request, files: Sequence[Read]) -> dict[str, Figure]:
    found = together(files)
    if request.gpu_s_per_clip_s is not None:
        option = "option --gpu-seconds-per-clip-second"
        unit = UNITS["gpu_s_per_clip_s"]
        found["gpu_s_per_clip_s"] = Figure(request.gpu_s_per_clip_s, unit, Source.GIVEN, option)
    found |= measure(bundle_folder(request.bundle), request.packets, request.turns, found)
    return {name: found[name] for name in UNITS if name in found}


def _plan(cameras: int, given: Figures, figures: Figures, prices: Prices | None) -> Plan:
    wanted = demands(cameras, given, figures)
    found = parts(cameras, wanted, given, figures)
    breaks = {store: breaking(found, store) for store in STORES}
    costs = {} if prices is None else price_list.costs(prices, given, wanted)
    return Plan(cameras, wanted, found, breaks, costs)


def _check_plot(path: Path | None) -> None:
    """Refuse what could only fail after minutes."""
    if path is None:
        return
    if path.suffix != ".svg":
        raise InputError(f"--plot {path}: the picture is an SVG, so name it FILE.svg")
    import matplotlib as mpl  # raises ModuleNotFoundError, which says what to install

    mpl.use("svg")
