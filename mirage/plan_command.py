"""`mirage bench plan`: its options, of which a fleet needs many."""

from pathlib import Path
from typing import Annotated

import typer


def plan(
    *,
    cameras: Annotated[list[int], typer.Option(min=1, help="How many; repeatable.")],
    measured: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE.json",
            help="JSON of bench cloud, ingest, ledger, render or plan, or of mirage encode; repeatable.",
            show_default="measured here, in two minutes",
        ),
    ] = None,
    gpu_seconds_per_clip_second: Annotated[
        float | None, typer.Option(min=0, help="Of the renderer that is planned for.", show_default="unknown")
    ] = None,
    cameras_per_device: Annotated[float, typer.Option(min=1, max=64, help="Cameras of a device.")] = 4,
    moving: Annotated[float, typer.Option(help="Share of the time in which something moves.")] = 0.25,
    peak: Annotated[float, typer.Option(min=1, help="The busiest minutes, times the mean.")] = 2,
    watched: Annotated[float, typer.Option(help="Share of cameras that are looked at live.")] = 0.001,
    events: Annotated[float, typer.Option(help="Share of camera time rendered for events.")] = 0.01,
    subscribers: Annotated[float, typer.Option(min=0, help="Third parties that get each event.")] = 0,
    retention_days: Annotated[float, typer.Option(min=0, help="How long packets are kept.")] = 30,
    clip_days: Annotated[float, typer.Option(min=0, help="How long clips are kept.")] = 7,
    disk_gb: Annotated[float, typer.Option(min=1, help="Disk of one database.")] = 1000,
    busy: Annotated[float, typer.Option(help="Share of what a unit can do that is used.")] = 0.7,
    prices: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="As deploy/prices.example.toml.")
    ] = None,
    packets: Annotated[int, typer.Option(min=100, help="Packets of each measurement.")] = 6000,
    turns: Annotated[int, typer.Option(min=1, help="Measurements, of which the best counts.")] = 1,
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle that describes and renders.", show_default="models/tiny")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.svg", help="Also draw the headroom.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Size a fleet: what it needs of each part, which part breaks first, and what replaces that."""
    from mirage.bench.plan.assumptions import Assumptions
    from mirage.bench.plan.command import Output, Request, main
    from mirage.log import log_to_stderr

    log_to_stderr(verbose=False)
    fleet = Assumptions(
        cameras_per_device,
        moving,
        peak,
        watched,
        events,
        subscribers,
        retention_days,
        clip_days,
        disk_gb,
        busy,
    )
    gpu_s, files = gpu_seconds_per_clip_second, tuple(measured or ())
    main(Request(cameras, files, fleet, gpu_s, prices, packets, turns, bundle), Output(json, plot))
