"""What `mirage fleet simulate` does around a simulation: its folder, its page, its report."""

import contextlib
import signal
import sys
import time
from pathlib import Path

import typer

from mirage.fleet.report import print_report
from mirage.fleet.simulate import Request, folder_for, simulated
from mirage.fleet.stage import Stage
from mirage.progress import console


def simulate(request: Request, out: Path | None, *, keep_serving: bool, json: bool) -> None:
    """Simulate, print the report, and serve on if asked for. Exits with 1 where something is wrong."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that children are ended
    with folder_for(out) as folder, simulated(request, folder) as (report, stage):
        print_report(report, as_object=json)
        if keep_serving:
            _keep_serving(stage)
        if not report.ok:
            raise typer.Exit(1)


def _keep_serving(stage: Stage) -> None:
    """Leave the page open until the user has seen enough. Raises DemoError if the cloud dies."""
    console.print(f"[bold]{stage.address}/fleet[/bold]  (Ctrl-C ends it; settings: {stage.config})")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            stage.check()
            time.sleep(0.5)
