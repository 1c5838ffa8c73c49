"""`mirage cloud anchors …`: reference pictures that clips are made with."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from mirage.token_commands import Config, Json, RoleName

app = typer.Typer(
    help="Reference pictures of places, things and people, and stand-ins.",
    no_args_is_help=True,
    add_completion=False,
)


class KindName(str, Enum):
    """What a picture shows."""

    PLACE = "place"
    THING = "thing"
    PEOPLE = "people"
    STAND_IN = "stand-in"


@app.command(
    epilog="Example: mirage cloud anchors add gate-by-day.jpg --camera acme/north/jetson-1/gate "
    "--config cloud.toml"
)
def add(
    picture: Annotated[Path, typer.Argument(metavar="PICTURE", help="JPEG, PNG or WebP.")],
    config: Config,
    kind: Annotated[KindName, typer.Option(help="What it shows.")] = KindName.PLACE,
    camera: Annotated[
        str, typer.Option(metavar="T/S/D/C", help="Of which cameras; * stands for any name.")
    ] = "*/*/*/*",
    word: Annotated[
        str, typer.Option(help="Of a thing: taken where a caption has this word.", show_default=False)
    ] = "",
    role: Annotated[RoleName, typer.Option(help="For clips of this role and higher ones.")] = RoleName.VIEWER,
    *,
    json: Json = False,
) -> None:
    """Store a picture in the cloud's object store, once; nothing of it travels over uplinks."""
    from mirage import anchors_command as command

    command.add(config, picture, (kind.value, camera, word, role.value), json=json)


@app.command("list", epilog="Example: mirage cloud anchors list --config cloud.toml --json")
def list_(config: Config, *, json: Json = False) -> None:
    """List stored pictures in the order in which they were added."""
    from mirage import anchors_command as command

    command.show(config, json=json)


@app.command(epilog="Example: mirage cloud anchors remove 3 --config cloud.toml")
def remove(
    anchor_id: Annotated[int, typer.Argument(metavar="ID", help="As `list` has it.")],
    config: Config,
    *,
    json: Json = False,
) -> None:
    """Remove one; clips that were made with it are made anew when someone looks."""
    from mirage import anchors_command as command

    command.remove(config, anchor_id, json=json)
