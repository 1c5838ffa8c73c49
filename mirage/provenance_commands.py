"""`mirage cloud provenance-key …`, `verify` and `compare`: whether clips are what they say."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Keys that clips are signed with. To change it: make a new one, name it as provenance.key in the "
    "settings, start again; the old one stays listed, for what was signed with it.",
    no_args_is_help=True,
    add_completion=False,
)

Config = Annotated[
    Path, typer.Option("--config", metavar="FILE.toml", help="What cloud/config.py describes.")
]


@app.command(epilog="Example: mirage cloud provenance-key new -o /etc/mirage/provenance.key")
def new(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE.key", help="Mode 0600; the public half is FILE.pub."),
    ],
) -> None:
    """Make a key; the settings name it as key under provenance."""
    from mirage import provenance_keys as command

    command.new(output)


@app.command("list", epilog="Example: mirage cloud provenance-key list --config cloud.toml -o keys.pem")
def list_(
    config: Config,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.pem", help="Write all public halves, for verifiers."),
    ] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """List the keys that were ever used; the API gives them to anyone, at /api/v1/provenance-keys."""
    from mirage import provenance_keys as command

    command.show(config, output, json=json)


def verify(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="A clip (MP4), or what is stated of one (JSON).")
    ],
    key: Annotated[
        Path,
        typer.Option("--key", metavar="FILE.pem", help="Public keys to trust: /api/v1/provenance-keys.pem"),
    ],
    document: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="What is stated of it, instead of what it carries."),
    ] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Check that a clip is as its cloud signed it, and say what was in force. What is forged is an error."""
    from mirage.verify_command import verify as command

    command(path, key, document, json=json)


def compare(
    config: Config,
    *,
    count: Annotated[int, typer.Option(min=2, max=1000, help="Segments of each bundle.")] = 8,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Render stored segments twice, once as another scene was described: renderers must heed it.

    Exit 1 if one does not. It renders on this machine, beside whatever else runs on it.
    """
    from mirage.compare_command import main as command

    if not command(config, count, json=json):
        raise typer.Exit(1)
