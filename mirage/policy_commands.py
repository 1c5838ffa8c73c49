"""`mirage policy …`: what three parties want, and what comes of it."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Constraints of sender, network and receiver.", no_args_is_help=True, add_completion=False
)


class Preset(str, Enum):
    """Constraints that have a name."""

    PRIVATE = "private"
    BALANCED = "balanced"
    FAITHFUL = "faithful"


class RoleName(str, Enum):
    """Who looks."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


def _file(what: str) -> object:
    return typer.Option(metavar="FILE.toml", help=what, show_default=False)


SenderOption = Annotated[Path | None, _file("File of tables (sender, network), or an agent's settings.")]


@app.command(epilog="Example: mirage policy explain --sender edge.toml --receiver cloud.toml --role viewer")
def explain(
    sender: SenderOption = None,
    network: Annotated[Path | None, _file("File with a network table; without it, the sender's.")] = None,
    receiver: Annotated[Path | None, _file("File with a receiver table, or a cloud's settings.")] = None,
    preset: Annotated[
        Preset | None, typer.Option(help="Begin with these.", show_default="nothing is stated")
    ] = None,
    role: Annotated[
        RoleName, typer.Option(help="Whose clips, where a cloud's settings tell roles apart.")
    ] = RoleName.VIEWER,
    camera: Annotated[
        str | None,
        typer.Option(metavar="T/S/D/C", help="Tenant/site/device/camera.", show_default="any"),
    ] = None,
    link: Annotated[
        str | None, typer.Option(metavar="NAME", help="While this link of the network is active.")
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also what nobody states.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Show field by field what is in force, who decided it, who asked for what, and why."""
    from mirage import explain as command
    from mirage.policy_files import Viewpoint, read_tables
    from wire.policy import Tables
    from wire.policy.presets import PRESETS

    start = Tables() if preset is None else PRESETS[preset.value]
    tables = read_tables(sender, network, receiver, start, Viewpoint(role.value, camera))
    command.main(tables, link, json=json, everything=everything)


@app.command(epilog="Example: mirage policy preview door.mp4 --sender edge.toml --camera door -o seen.jpg")
def preview(
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="File, RTSP URL or device.")],
    sender: Annotated[Path, _file("File with a sender table, or an agent's settings.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="PICTURE.jpg", help="Where it goes.")],
    at: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Which frame.")] = 1.0,
    camera: Annotated[
        str | None, typer.Option(help="Whose zones, where settings have several cameras.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Folder with bundle.toml.", show_default="models/tiny")
    ] = None,
    *,
    beside: Annotated[
        bool, typer.Option("--beside", help="Also the frame itself, hidden parts in red.")
    ] = False,
) -> None:
    """Draw what the encoders get to see of a frame: hidden parts are grey."""
    from mirage import preview as command
    from mirage.policy_files import read_sender

    command.main(video, read_sender(sender).of_camera(camera), output, at, bundle, beside=beside)
