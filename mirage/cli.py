"""The `mirage` command: signatures only. What a command does is imported when it is called.

mirage encode | decode | inspect | demo             here
mirage edge | cloud | export | bench  ...           mirage/<group>_commands.py, loaded by name
"""

import atexit
import gc
import importlib
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from mirage.errors import mistakes, one_line, troubles

GROUPS = {
    "edge": "mirage.edge_commands",
    "cloud": "mirage.cloud_commands",
    "export": "mirage.export_commands",
    "bench": "mirage.bench_commands",
    "deploy": "mirage.deploy_commands",
    "subscribe": "mirage.subscribe_commands",
    "bridge": "mirage.bridge_commands",
    "fleet": "mirage.fleet_commands",
    "policy": "mirage.policy_commands",
}


class Lazy(TyperGroup):
    """Loads a group of commands when it is asked for."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return [*super().list_commands(ctx), *GROUPS]

    def get_command(self, ctx: typer.Context, cmd_name: str):  # type: ignore[no-untyped-def,override]  # noqa: ANN201 (typer's own click)
        if cmd_name not in GROUPS:
            return super().get_command(ctx, cmd_name)
        command = typer.main.get_command(importlib.import_module(GROUPS[cmd_name]).app)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=Lazy,
    help="Sends a video as its meaning, and regenerates it on the other side.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
BundleOption = Annotated[
    Path | None, typer.Option("--bundle", help="Folder with bundle.toml.", show_default="models/tiny")
]
Seconds = Annotated[float | None, typer.Option(help="Stop after this long, for a live source.")]
Recording = Annotated[Path, typer.Argument(metavar="FILE.mrg")]


@app.command(epilog="Example: mirage encode door.mp4 -o door.mrg --json")
def encode(
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="A video file, or rtsp://… with --seconds.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.mrg", help="Where the packets go.")],
    bundle: BundleOption = None,
    planes: Annotated[
        int | None,
        typer.Option(
            help="Planes of appearance tokens: more is finer and larger; a scene begins with twice as many."
        ),
    ] = None,
    segment_ms: Annotated[
        int, typer.Option(min=500, max=30_000, help="Length of a segment without a scene cut.")
    ] = 2000,
    still_bytes: Annotated[
        int, typer.Option(min=0, max=65535, help="Bytes of packets for a minute in which nothing moves.")
    ] = 116,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Threads of the networks.")] = 2,
    beams: Annotated[
        int, typer.Option(min=1, max=16, help="Sentences that the captioner follows at once; 1 is greedy.")
    ] = 1,
    seconds: Seconds = None,
    sender: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help="What may be sent: a sender table, or an agent's settings."),
    ] = None,
    camera: Annotated[
        str | None, typer.Option(help="Whose zones, where the agent's settings have several cameras.")
    ] = None,
    *,
    vector: Annotated[
        bool, typer.Option("--vector/--no-vector", help="Send the image embedding, if the bundle has one.")
    ] = True,
    json: Json = False,
) -> None:
    """Turn a video into a file of packets, and say what each byte is spent on."""
    from edge.pipeline import Settings
    from mirage import encode as command
    from mirage.policy_files import SenderFile, read_sender
    from wire.policy import Network, Sender

    stated = SenderFile(Sender(), Network()) if sender is None else read_sender(sender)
    settings = Settings(
        planes=planes,
        vector=vector,
        segment_ms=segment_ms,
        still_bytes=still_bytes,
        threads=threads,
        beams=beams,
        sender=stated.of_camera(camera),
        network=stated.network,
    )
    command.main(video, output, bundle, settings, seconds, json=json)


@app.command(epilog="Example: mirage decode door.mrg -o dream.mp4 --seed 7")
def decode(
    recording: Recording,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.mp4", help="Where the video goes.")],
    bundle: BundleOption = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same video.")] = 0,
    long_side: Annotated[int, typer.Option(help="Longer side of the picture in pixels.")] = 256,
    steps: Annotated[int | None, typer.Option(help="Diffusion steps.", show_default="the bundle's")] = None,
    fps: Annotated[float | None, typer.Option(help="Pictures a second.", show_default="the source's")] = None,
    frames: Annotated[
        int | None, typer.Option(help="Frames diffused for a segment, at most.", show_default="the bundle's")
    ] = None,
    guidance: Annotated[
        float | None, typer.Option(help="How closely to follow the words.", show_default="the bundle's")
    ] = None,
    style: Annotated[str, typer.Option(metavar="WORDS", help="Words added to each caption.")] = "",
    negative: Annotated[str, typer.Option(metavar="WORDS", help="What it shall not look like.")] = "",
    anchor: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Picture of how it shall look; repeatable.")
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Regenerate a video from a file of packets.

    A renderer heeds the wishes that it knows: the shipped one those for size, steps and rate.
    """
    from mirage import decode as command
    from wire.policy import Policy

    policy = Policy(long_side, steps, fps, frames, guidance, style, negative)
    command.main(recording, output, bundle, command.Wish(policy, tuple(anchor or ()), seed), json=json)


@app.command(epilog="Example: mirage inspect door.mrg --json")
def inspect(recording: Recording, bundle: BundleOption = None, *, json: Json = False) -> None:
    """Show what a file of packets says, and how large it is."""
    from mirage import inspect as command

    command.main(recording, bundle, json=json)


@app.command(epilog="Example: mirage demo --no-serve door.mp4")
def demo(
    video: Annotated[
        str | None,
        typer.Argument(
            metavar="[VIDEO]",
            help="File, RTSP URL, or a clip that comes with it: bunny, bikes, carphone.",
            show_default="bunny",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("out/demo"),
    bundle: BundleOption = None,
    seconds: Seconds = None,
    constraints: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help="Tables sender, network and receiver: docs/constraints.md."),
    ] = None,
    *,
    loop: Annotated[
        bool,
        typer.Option("--loop", help="Play the clip as a camera does, again and again, for --seconds (60)."),
    ] = False,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Keep the page open at the end.")] = True,
) -> None:
    """Send a clip through edge agent, MQTT broker and cloud on this machine."""
    from mirage.demo.run import Wish
    from mirage.demo.run import main as command

    command(video, out, bundle, seconds, Wish(constraints, loop=loop, serve=serve))


def main() -> None:
    """Run the command; a known error is one line on stderr, exit 2 for the user's mistake, else 1."""
    # An exception, so that half-written files are removed; long-running commands set handlers of their own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    atexit.register(gc.freeze)  # else what was imported is searched for garbage once more at the end
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")  # read at its import, where it would begin to talk
    try:
        app()
    except mistakes() as error:
        sys.exit(_say(error, 2))
    except troubles() as error:
        sys.exit(_say(error, 1))


def _say(error: BaseException, code: int) -> int:
    print(f"mirage: {one_line(error)}", file=sys.stderr)  # noqa: T201
    return code


if __name__ == "__main__":
    main()
