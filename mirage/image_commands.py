"""`mirage deploy image`: a whole disk for boards that boot by UEFI. docs/deploy.md says what is in it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mirage.deploy.boards import Arch

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: sudo .venv/bin/mirage deploy image --fleet fleet.toml --arch amd64")
def image(
    fleet: Annotated[
        Path, typer.Option("--fleet", metavar="FILE.toml", help="Names release, bundle, and who may log in.")
    ],
    arch: Annotated[str, typer.Option(metavar="amd64|arm64", help="For which boards.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.img", help="The image.", show_default="release.images"),
    ] = None,
    lock: Annotated[
        Path | None,
        typer.Option(metavar="FILE.lock", help="Debian's packages as in an earlier build, by hash."),
    ] = None,
    include: Annotated[
        list[str] | None, typer.Option(metavar="PACKAGE", help="One more of Debian's packages; repeatable.")
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Debian's mirror.", show_default="this machine's, else Debian's"),
    ] = None,
    epoch: Annotated[
        int | None,
        typer.Option(
            envvar="SOURCE_DATE_EPOCH",
            metavar="SECONDS",
            help="No file is younger.",
            show_default="2026-01-01",
        ),
    ] = None,
    work: Annotated[
        Path | None, typer.Option(metavar="DIR", help="For work.", show_default="out/deploy/image-ARCH")
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, do nothing.")] = False,
) -> None:
    """Build a disk image of Debian, the agent and the bundle. The same inputs give the same bytes.

    Beside it: its SHA-256, what is in it (CycloneDX), and a lock of Debian's packages.
    """
    from mirage.deploy.fleet import load
    from mirage.deploy.image.build import build
    from mirage.deploy.image.build import dry_run as say_what
    from mirage.deploy.image.command import Wishes, order_of
    from mirage.output import print_line

    wishes = Wishes(_arch(arch), output, lock, tuple(include or ()), mirror, epoch, work)
    order = order_of(load(fleet), fleet.resolve().parent, wishes)
    if dry_run:
        say_what(order, print_line)
    else:
        print_line(str(build(order, print_line)))


def _arch(name: str) -> "Arch":
    from mirage.deploy.image.layout import ROOT
    from mirage.errors import InputError

    for arch in ROOT:
        if arch == name:
            return arch
    raise InputError(f"--arch {name}: amd64 or arm64")
