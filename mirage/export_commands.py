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


@app.command(epilog="Example: mirage export build models/tiny --footage ~/footage")
def build(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder that gets bundle.toml.")],
    footage: Footage,
    work: Work = Path("work/train"),
    *,
    int8: Annotated[bool, typer.Option("--int8", help="Decode captions in 8 bits: smaller.")] = False,
) -> None:
    """Export trained networks to ONNX, count the coding tables, and write the manifest."""
    from export.build import build_tiny
    from export.data.pack import opened
    from mirage.output import print_line
    from wire.bundle import Bundle

    build_tiny(bundle, work, opened(footage, work), lambda part: print_line(f"exporting {part}"), int8=int8)
    made = Bundle.load(bundle)
    size = sum((bundle / name).stat().st_size for name in made.files())
    print_line(f"{bundle}: {len(made.files())} files, {size / 1e6:.1f} MB, {made.short_sha256}")
