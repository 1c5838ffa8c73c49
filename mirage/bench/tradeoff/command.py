"""The rim of `mirage bench tradeoff`: options in, report and plot out."""

from pathlib import Path

from mirage.bench.privacy.missing import missing_packages
from mirage.bench.report import Report, print_report
from mirage.bench.tradeoff.run import Point, Request, run
from mirage.errors import InputError
from mirage.output import write_whole


def main(request: Request, plot: Path | None, *, as_json: bool) -> None:
    """Run, draw if asked for, print. Raises what `run` raises, and OutputError."""
    if plot is not None and (missing := missing_packages(["plot"])):
        raise InputError(missing)
    report, points = run(request)
    if plot is not None:
        from mirage.bench.tradeoff.plot import draw

        write_whole(plot, draw(points))
    if not as_json:
        report = Report(report.bench, report.gates, {each.fidelity.setting: _line(each) for each in points})
    print_report(report, as_json=as_json)


def _line(point: Point) -> str:
    fidelity = point.fidelity
    shown = [f"{fidelity.bytes_per_s:.0f} B/s"]
    for name, mean in (("words", fidelity.words), ("picture", fidelity.picture)):
        shown += [f"{name} {mean.mean:.2f}"] if mean is not None else []
    for name, named in (("faces", point.faces), ("people", point.people)):
        shown += [f"{name} {named.rate:.2f}"] if named is not None else []
    return ", ".join(shown)
