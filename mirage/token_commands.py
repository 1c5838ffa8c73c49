"""`mirage cloud tokens …`: who may use API and page."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Tokens of API and page: who may see and do what.", no_args_is_help=True, add_completion=False
)


class RoleName(str, Enum):
    """What a token is good for; each may do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


Config = Annotated[
    Path, typer.Option("--config", metavar="FILE.toml", help="What cloud/config.py describes.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.command(
    epilog="Example: mirage cloud tokens create wall --role viewer --scope acme/north --expires 90d "
    "--config cloud.toml"
)
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose it is, or what for.")],
    config: Config,
    role: Annotated[
        RoleName,
        typer.Option(
            help="viewer looks and asks for clips; operator also cancels, changes alerts and sends commands; "
            "admin also makes tokens."
        ),
    ] = RoleName.VIEWER,
    scope: Annotated[
        str | None,
        typer.Option(metavar="TENANT[/SITE]", help="All that exists for it.", show_default="the whole fleet"),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Valid for so long: 90d, 12h, 30m.", show_default="until revoked"),
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Make a token. Its secret is printed now, and never again."""
    from mirage import tokens_command as command

    command.create(config, name, role.value, scope, expires, json=json)


@app.command("list", epilog="Example: mirage cloud tokens list --config cloud.toml --json")
def list_(config: Config, *, json: Json = False) -> None:
    """List tokens, the newest first, without their secrets; also those that are no longer valid."""
    from mirage import tokens_command as command

    command.show(config, json=json)


@app.command(epilog="Example: mirage cloud tokens revoke 4f0c9a12be77 --config cloud.toml")
def revoke(
    token: Annotated[str, typer.Argument(metavar="ID", help="As `mirage cloud tokens list` lists it.")],
    config: Config,
    *,
    json: Json = False,
) -> None:
    """Make a token invalid, within seconds also where it is in use, and log out who came with it."""
    from mirage import tokens_command as command

    command.revoke(config, token, json=json)
