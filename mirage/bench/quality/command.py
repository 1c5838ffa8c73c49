"""The rim of `mirage bench quality`: options in, report, plot and page out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mirage.bench.quality.docs import picture_files, write_docs
from mirage.bench.quality.measured import Measured
from mirage.bench.quality.missing import missing_packages
from mirage.bench.quality.run import Request, run
from mirage.bench.quality.statistics import Estimate
from mirage.bench.report import Report, print_report
from mirage.errors import InputError
from mirage.output import write_whole


@dataclass(frozen=True, slots=True)
class Output:
    """Where results go besides stdout."""

    pictures: Path | None
    docs: Path | None
    as_json: bool


def main(request: Request, output: Output) -> None:
    """Run, write what was asked for, print. Raises what `run` raises, and OutputError."""
    if (output.pictures or output.docs) and (missing := missing_packages(["plot"])):
        raise InputError(missing)
    report, measured, shown = run(request)
    if output.docs is not None:
        write_docs(output.docs, report, measured, shown)
    if output.pictures is not None:
        for name, data in picture_files(measured, shown).items():
            write_whole(output.pictures / name, data)
    if not output.as_json:
        report = Report(report.bench, report.gates, digest(report, measured))
    print_report(report, as_json=output.as_json)


def digest(report: Report, measured: Measured) -> dict[str, object]:
    """Leave of the results what a person wants to see at once."""
    shown: dict[str, object] = {"left out": _counts(report.results["left_out"])}
    if measured.clip_summary is not None:
        shown["clips"] = {name: _means(means) for name, means in measured.clip_summary.means.items()}
        shown["ours over"] = {name: _means(means) for name, means in measured.clip_summary.over.items()}
    for stills in measured.stills:
        shown[f"stills {stills.target_bytes} B"] = {n: _means(means) for n, means in stills.means.items()}
    return shown


def _counts(left_out: object) -> object:
    return {why: len(names) for why, names in left_out.items()} if isinstance(left_out, Mapping) else left_out


def _means(means: Mapping[str, Estimate]) -> dict[str, str]:
    return {name: f"{e.mean:.3f} [{e.low:.3f}, {e.high:.3f}]" for name, e in means.items()}
