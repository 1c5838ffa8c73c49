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
