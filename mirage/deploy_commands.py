"""`mirage deploy …`: devices, from bare to running. docs/deploy.md goes through it step by step."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from mirage import image_commands, provision_commands, release_commands, rollout_commands

app = typer.Typer(help="Bring devices from bare to running.", no_args_is_help=True, add_completion=False)
app.add_typer(release_commands.app)
app.add_typer(image_commands.app)
app.add_typer(rollout_commands.app)
app.add_typer(provision_commands.app)

FleetFile = Annotated[
    Path, typer.Option("--fleet", metavar="FILE.toml", help="What mirage/deploy/fleet.py describes.")
]
Names = Annotated[list[str] | None, typer.Option("--device", metavar="ID", help="Which device; repeatable.")]
Wave = Annotated[str | None, typer.Option(metavar="WAVE", help="All devices of a wave.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print every command, change nothing.")]


@app.command(epilog="Example: mirage deploy plan --fleet fleet.toml --json")
def plan(
    fleet: FleetFile,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Say what would be done for each device, and what is missing for it; exit 1 where something is."""
    from mirage.deploy.fleet import load
    from mirage.deploy.plan import plan as make_plan
    from mirage.deploy.reporting import lines_of
    from mirage.output import as_json, print_line, print_tables

    made = make_plan(load(fleet), fleet.resolve().parent)
    if json:
        print_line(as_json(made))
    else:
        print_tables(*lines_of(made))
    if not made.is_clear:
        raise typer.Exit(1)


@app.command(epilog="Example: mirage deploy seed --fleet fleet.toml --device gate -o seeds")
def seed(
    fleet: FleetFile,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where the seeds go.")],
    device: Names = None,
    wave: Wave = None,
) -> None:
    """Write what devices read at their first boot: DIR/ID/user-data and so on, and DIR/ID.img, a vfat image.

    Each holds the claim of its device: only you may read them.
    """
    from mirage.deploy.flashing import chosen
    from mirage.deploy.fleet import load
    from mirage.deploy.seeding import write_seeds
    from mirage.output import print_line

    known = load(fleet)
    devices = chosen(known, device or [], wave) if device or wave else known.device
    for line in write_seeds(known, devices, fleet.resolve().parent, output):
        print_line(line)


@app.command(epilog="Example: mirage deploy flash --fleet fleet.toml --device yard --disk /dev/sdb")
def flash(
    fleet: FleetFile,
    device: Names = None,
    wave: Wave = None,
    disk: Annotated[Path | None, typer.Option(metavar="/dev/…", help="Disk of this machine.")] = None,
    image: Annotated[
        Path | None, typer.Option(metavar="FILE.img", help="Image for it.", show_default="release.images")
    ] = None,
    bsp: Annotated[
        Path | None, typer.Option(metavar="DIR", help="NVIDIA's Linux_for_Tegra.", show_default="jetson.bsp")
    ] = None,
    massflash: Annotated[
        int, typer.Option(min=0, max=64, metavar="N", help="Flash up to N Jetsons at once.")
    ] = 0,
    yes: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Do not ask: the disk's serial, or the Jetsons' ids, by commas."),
    ] = None,
    work: Annotated[Path, typer.Option(metavar="DIR", help="Notes, to go on after an interruption.")] = Path(
        "out/deploy"
    ),
    *,
    seed_only: Annotated[
        bool, typer.Option("--seed-only", help="Write only the seed to the disk: a stick for the first boot.")
    ] = False,
    accept_nvidia_license: Annotated[
        bool, typer.Option("--accept-nvidia-license", help="You have read and accept it.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Write a device's disk and verify it, or flash Jetsons that are in recovery mode.

    What would be overwritten is shown, with model, size and serial, and you are asked.
    """
    from mirage.deploy.flashing import FlashError, Order, Rim, chosen, flash_disk, flash_jetsons
    from mirage.deploy.fleet import load
    from mirage.output import print_line

    known = load(fleet)
    devices = chosen(known, device or [], wave)
    if not devices:
        raise FlashError("name a device with --device, or a wave with --wave")
    order = Order(known, fleet.resolve().parent, devices, yes, dry_run)
    with _bar() as progress:
        rim = Rim(print_line, _ask, progress, work)
        if disk is not None:
            written = flash_disk(order, disk, image, rim, seed_only=seed_only)
            if written is not None:
                print_line(f"{disk}: {written.bytes} bytes verified, SHA-256 {written.sha256}")
        elif not all(each.kind.is_jetson for each in devices):
            raise FlashError(f"{devices[0].id}: {devices[0].kind.name} boots from a disk: --disk says which")
        else:
            flash_jetsons(order, bsp, massflash, rim, accept_license=accept_nvidia_license)


def _ask(question: str) -> str:
    from mirage.deploy.flashing import FlashError

    if not sys.stdin.isatty():
        raise FlashError("nobody is there to be asked: --yes NAME")
    return str(typer.prompt(question))


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    from rich.progress import Progress, TaskID

    from mirage.progress import console

    bar = Progress(console=console, transient=True)
    tasks: dict[str, TaskID] = {}

    def shown(what: str, done: int, total: int) -> None:
        if what not in tasks:
            bar.start()  # not before there is something to show: it would be in the way of a question
            tasks[what] = bar.add_task(what, total=total)
        bar.update(tasks[what], completed=done)

    try:
        yield shown
    finally:
        if tasks:
            bar.stop()
