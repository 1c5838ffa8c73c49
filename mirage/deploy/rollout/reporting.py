"""Rollouts as tables."""

from collections.abc import Iterator

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cloud.rollouts.report import RolloutReport
from mirage.output import printable, time_text

COLUMNS = ("wave", "device", "release", "bundle", "runs", "state", "update", "since", "why")


def lines_of(report: RolloutReport) -> Iterator[RenderableType]:
    """Lay a rollout out for a person."""
    yield Text(headline(report))
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    for name in COLUMNS:
        table.add_column(name, no_wrap=name in ("device", "since"), overflow="fold")
    for each in report.devices:
        state = each.state if each.is_here else f"{each.state}, away"
        table.add_row(
            each.wave, each.device.partition("/")[2], each.release[:8], each.bundle[:8],
            printable(each.runs.removeprefix("mirage ")), state, printable(each.update),
            time_text(each.since_ms),
            "" if each.why in (each.update, "away") else printable(each.why),
        )  # fmt: skip
    yield table
    if hint := _hint(report):
        yield Text(hint)


def headline(report: RolloutReport) -> str:
    """Say in a line how a rollout is."""
    aim = ", ".join(f"{key} {value}" for key, value in report.aim.items())
    counts = ", ".join(f"{count} {state}" for state, count in report.counts.items())
    why = f" ({printable(report.why)})" if report.why else ""
    return f"rollout {report.id} of {report.fleet}: {report.state}{why}: {counts}. {aim}"


def _hint(report: RolloutReport) -> str:
    if report.state == "halted":
        return "`mirage deploy update --resume` goes on without who failed, --retry DEVICE asks one again"
    if report.state == "running" and not report.is_minded:
        return "no cloud moves it on: `mirage cloud run`, or `ingest`, does"
    return ""
