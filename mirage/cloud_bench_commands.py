"""`mirage bench ingest`, `cloud`, `usage`: how much one machine of the cloud bears."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.command(epilog="Example: mirage bench ingest --packets 60000 --json")
def ingest(
    *,
    packets: Annotated[int, typer.Option(min=100, help="Packets in the broker before each run.")] = 60_000,
    devices: Annotated[int, typer.Option(min=1, max=1000, help="Devices that they come from.")] = 100,
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle of the captions.", show_default="models/tiny")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="Where the stores are: its disk is measured.", show_default="the temporary folder"),
    ] = None,
    json: Json = False,
) -> None:
    """Packets a second from broker to committed rows, opened on the way, by 1, 2 and 4 processes."""
    from mirage.bench.ingest import run
    from mirage.bench.report import print_report

    print_report(run(packets, devices, bundle, folder), as_json=json)


@app.command(epilog="Example: mirage bench cloud --only queue --json")
def cloud(
    *,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Part to run; repeatable: queue, engines, search, alerts, event, click, hls.",
            show_default="all",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=100, help="Jobs that each number of workers drains.")] = 1000,
    captions: Annotated[int, typer.Option(min=100, help="Captions that are searched.")] = 1_000_000,
    copies: Annotated[int, typer.Option(min=1, help="How often each engine renders the recording.")] = 8,
    samples: Annotated[
        int, typer.Option(min=1, help="Events, clicks of each kind, and live segments of 2 s.")
    ] = 40,
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle of the renderer.", show_default="models/tiny")
    ] = None,
    json: Json = False,
) -> None:
    """Jobs and clips a second, milliseconds a search, seconds to an event, a picture and the live view."""
    from mirage.bench.cloud.command import Request, run
    from mirage.bench.report import print_report
    from mirage.log import log_to_stderr

    log_to_stderr(verbose=False)
    print_report(run(Request(tuple(only or ()), jobs, captions, copies, samples, bundle)), as_json=json)


@app.command(epilog="Example: mirage bench usage --devices 1000 --json")
def usage(
    *,
    devices: Annotated[int, typer.Option(min=1, max=20_000, help="Devices that tell what they sent.")] = 1000,
    minutes: Annotated[int, typer.Option(min=1, max=10_000, help="Minutes that each tells of.")] = 30,
    cameras: Annotated[int, typer.Option(min=1, max=64, help="Cameras of each.")] = 2,
    json: Json = False,
) -> None:
    """Processor time to add up what a fleet says it sent, and milliseconds to ask for it."""
    from mirage.bench.report import print_report
    from mirage.bench.usage import run

    print_report(run(devices, minutes, cameras), as_json=json)
