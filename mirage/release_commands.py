"""`mirage deploy release`, `release-key`: what devices run, signed. docs/updates.md says how to use it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mirage.deploy.device import Platform

app = typer.Typer(add_completion=False)

_PLATFORMS = ("amd64", "arm64", "jetpack6", "jetpack7")


FleetFile = Annotated[
    Path, typer.Option("--fleet", metavar="FILE.toml", help="Names key, version, archives, bundle.")
]
Published = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="What devices fetch goes to DIR/ID: serve it.")
]
Lock = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Which wheels, with hashes.", show_default="deploy/release/PLATFORM.lock"
    ),
]


@app.command(
    epilog="Example: mirage deploy release --fleet fleet.toml --platform arm64 --base old.tar -o releases"
)
def release(
    fleet: FleetFile,
    output: Published,
    platform: Annotated[
        str | None, typer.Option(metavar="|".join(_PLATFORMS), help="Build the agent for it.")
    ] = None,
    base: Annotated[
        list[Path] | None,
        typer.Option(metavar="OLD.tar", help="Archive of a release that devices have; repeatable."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE.key", help="Signs it.", show_default="beside release.key, named .key"),
    ] = None,
    version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="What it is.", show_default="release.version")
    ] = None,
    archive: Annotated[
        Path | None,
        typer.Option(metavar="FILE.tar", help="All of it.", show_default="as the fleet file says"),
    ] = None,
    wheels: Annotated[
        Path, typer.Option(metavar="DIR", help="Where wheels are kept from time to time.")
    ] = Path("out/wheels"),
    lock: Lock = None,
    *,
    bundle: Annotated[bool, typer.Option("--bundle", help="Release the fleet's bundle, no agent.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Take wheels from --wheels alone, not from the network.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Build a release from locked wheels, or from a bundle; sign it; write its archive, and packs to fetch.

    The same inputs give the same bytes. A device that has one of the --base fetches only what is new.
    """
    from mirage.deploy.fleet import load
    from mirage.deploy.release.command import Order, lines_of, run
    from mirage.output import as_json, print_line, print_tables
    from mirage.progress import amount_shown

    known = load(fleet)
    order = Order(
        known,
        fleet.resolve().parent,
        _platform(platform, is_bundle=bundle),
        output,
        wheels,
        key,
        archive,
        version,
        tuple(base or ()),
        lock,
        offline,
    )
    report = run(order, amount_shown)
    if json:
        print_line(as_json(report))
    else:
        print_tables(*lines_of(report))


@app.command("release-key", epilog="Example: mirage deploy release-key pki/release")
def release_key(
    prefix: Annotated[Path, typer.Argument(metavar="PREFIX", help="Writes PREFIX.key (0600), PREFIX.pub.")],
) -> None:
    """Make the key that signs releases. Whoever has PREFIX.key decides what devices run: keep it offline."""
    from mirage.deploy.release.keys import new_key
    from mirage.output import print_line

    secret, public = new_key(prefix)
    print_line(f"{secret}: secret, for who makes releases; {public}: release.key of the fleet file")


def _platform(name: str | None, *, is_bundle: bool) -> "Platform | None":
    from mirage.errors import InputError

    if is_bundle and name is None:
        return None
    for platform in _PLATFORMS:
        if platform == name and not is_bundle:
            return platform  # type: ignore[return-value]
    raise InputError(f"--platform: one of {', '.join(_PLATFORMS)}, or else --bundle")
