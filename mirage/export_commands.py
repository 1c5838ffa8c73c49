"""`mirage export …`: training networks and building bundles, on a workstation."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Train networks and build bundles.", no_args_is_help=True, add_completion=False)

Footage = Annotated[
    Path,
    typer.Option(metavar="DIR", help="Clips and photographs, with captions.jsonl and photo-captions.tsv."),
]
Work = Annotated[Path, typer.Option(metavar="DIR", help="Where checkpoints and caches lie.")]


@app.command(epilog="Example: mirage export train appearance --footage ~/footage --minutes 90 --resume")
def train(
    network: Annotated[str, typer.Argument(metavar="captioner|appearance|renderer")],
    footage: Footage,
    work: Work = Path("work/train"),
    minutes: Annotated[float | None, typer.Option(help="Train for this long, over all resumptions.")] = None,
    steps: Annotated[int | None, typer.Option(help="Or for so many steps.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, data and noise.")] = 0,
    *,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint, if there is one.")
    ] = False,
) -> None:
    """Train one network of the tiny bundle."""
    from edge.motion import estimate_motion
    from export.train import run
    from export.train.loop import Plan
    from mirage.output import print_line

    settings = Plan(minutes, steps, learning_rate or run.LEARNING_RATES.get(network, 1e-3), seed=seed)
    place = run.Place(footage, work)
    done = run.train(network, place, settings, estimate_motion, device=device, threads=threads, resume=resume)
    print_line(f"{work / network}.pt: {done.step} steps in {done.trained_s / 60:.1f} minutes")


@app.command(epilog="Example: mirage export build models/tiny --footage ~/footage")
def build(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder that gets bundle.toml.")],
    footage: Footage,
    work: Work = Path("work/train"),
) -> None:
    """Export trained networks to ONNX, count the coding tables, and write the manifest."""
    from export.build import build_tiny
    from mirage.output import print_line
    from wire.bundle import Bundle

    build_tiny(bundle, work, footage, lambda part: print_line(f"exporting {part}"))
    made = Bundle.load(bundle)
    size = sum((bundle / name).stat().st_size for name in made.files())
    print_line(f"{bundle}: {len(made.files())} files, {size / 1e6:.1f} MB, {made.short_sha256}")
