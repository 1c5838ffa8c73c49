"""`mirage fleet budget …`: how many bytes places may send in a month, and how far they are."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Bytes that the fleet, a tenant, a site or a device may send a month.",
    no_args_is_help=True,
    add_completion=False,
)

Config = Annotated[
    Path,
    typer.Option("--config", metavar="FILE.toml", help="What cloud/config.py describes: its store is used."),
]
Place = Annotated[
    str,
    typer.Argument(
        metavar="PLACE",
        help="TENANT, TENANT/SITE or TENANT/SITE/DEVICE; 'fleet' is all of them, 'fleet/' a tenant "
        "of that name.",
    ),
]


@app.command("set", epilog="Example: mirage fleet budget set acme/north/edge-1 30MB --config cloud.toml")
def set_(
    place: Place,
    size: Annotated[str, typer.Argument(metavar="BYTES", help="A month: 30000000, 30MB or 1.5GB.")],
    config: Config,
    billing_day: Annotated[
        int | None, typer.Option(min=1, max=28, help="On which months begin.", show_default="the settings'")
    ] = None,
) -> None:
    """Give a place a budget, instead of the one that it had. It is told at 70, 90 and 100 %."""
    from mirage import budget_command as command

    command.set_budget(config, place, size, billing_day)


@app.command("list", epilog="Example: mirage fleet budget list --config cloud.toml --json")
def list_(
    config: Config, *, json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False
) -> None:
    """List budgets, what of them is used, and what will be by the end of their month."""
    from mirage import budget_command as command

    command.show(config, json=json)


@app.command("remove", epilog="Example: mirage fleet budget remove acme/north --config cloud.toml")
def remove(place: Place, config: Config) -> None:
    """Take the budget of a place away, with what was told of it."""
    from mirage import budget_command as command

    command.remove(config, place)
