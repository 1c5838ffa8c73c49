"""`mirage cloud alerts …`: saved searches that are told when a caption matches."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Saved searches that are told when a caption matches: list, add, remove, see what they found.",
    no_args_is_help=True,
    add_completion=False,
)

Config = Annotated[
    Path, typer.Option("--config", metavar="FILE.toml", help="What cloud/config.py describes.")
]
AlertId = Annotated[int, typer.Argument(metavar="ID", help="As `mirage cloud alerts list` shows it.", min=0)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.command("list", epilog="Example: mirage cloud alerts list --config /etc/mirage/cloud.toml")
def list_(config: Config, *, json: Json = False) -> None:
    """List alerts by name, and how often each was raised in the last day."""
    from mirage import alerts_command as command

    command.list_alerts(config, json=json)


@app.command(
    epilog="Example: mirage cloud alerts add 'Cars at night' '\"red car\" -rain' --place acme/north "
    "--hours 22:00-06:00 --zone Europe/Berlin --config /etc/mirage/cloud.toml"
)
def add(
    name: Annotated[str, typer.Argument(help="What it is called.")],
    query: Annotated[str, typer.Argument(help='What captions say, as in a search: car "red car" -rain ped*')],
    config: Config,
    place: Annotated[
        str, typer.Option(metavar="TENANT/SITE/…", help="Only there; as far as it is named.")
    ] = "",
    hours: Annotated[str | None, typer.Option(metavar="HH:MM-HH:MM", help="Only then.")] = None,
    zone: Annotated[str, typer.Option(metavar="AREA/CITY", help="The time zone of --hours.")] = "UTC",
    cooldown: Annotated[
        int, typer.Option(min=0, metavar="S", help="How long a camera is quiet that raised it.")
    ] = 60,
    webhook: Annotated[
        str | None, typer.Option(metavar="URL", help="Where hits are posted: below one of alerts.webhooks.")
    ] = None,
    *,
    off: Annotated[bool, typer.Option("--off", help="Do not switch it on yet.")] = False,
    trial: Annotated[
        bool, typer.Option("--trial", help="Only tell what it would have found in the last day.")
    ] = False,
    json: Json = False,
) -> None:
    """Add an alert. Running processes look for it at once, in what comes from then on."""
    from cloud.alerts.rules import Draft
    from mirage import alerts_command as command

    draft = Draft(
        name=name, query=query, place=place, active=not off, hours=hours, zone=zone, cooldown_s=cooldown,
        webhook=webhook,
    )  # fmt: skip
    command.add(config, draft, trial=trial, json=json)


@app.command(epilog="Example: mirage cloud alerts remove 3 --config /etc/mirage/cloud.toml")
def remove(alert: AlertId, config: Config) -> None:
    """Remove an alert, and all that it found."""
    from mirage import alerts_command as command

    command.remove(config, alert)


@app.command(epilog="Example: mirage cloud alerts switch 3 off --config /etc/mirage/cloud.toml")
def switch(
    alert: AlertId,
    state: Annotated[str, typer.Argument(metavar="on|off", help="What it is from now on.")],
    config: Config,
) -> None:
    """Switch an alert on or off."""
    from mirage import alerts_command as command

    command.switch(config, alert, state)


@app.command(epilog="Example: mirage cloud alerts hits --alert 3 --limit 10 --config cloud.toml --json")
def hits(
    config: Config,
    alert: Annotated[int | None, typer.Option(min=0, metavar="ID", help="Only what this one found.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many.")] = 20,
    cursor: Annotated[
        str | None, typer.Option(help="Go on where a page ended that said so.", show_default=False)
    ] = None,
    *,
    json: Json = False,
) -> None:
    """List what alerts found, the latest first."""
    from mirage import alerts_command as command

    command.hits(config, alert, limit, cursor, json=json)
