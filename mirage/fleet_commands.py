"""`mirage fleet …`: simulated devices, and how a fleet is, in the terminal."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from mirage.budget_commands import app as budgets
from mirage.fleet.scenario import Name


class BrokerName(str, Enum):
    """Brokers that a simulation can be made with."""

    AUTO = "auto"
    MOSQUITTO = "mosquitto"
    IOTCORE = "iotcore"


class Order(str, Enum):
    """What `top` goes by."""

    RATE = "rate"
    TODAY = "today"
    SPOOL = "spool"
    BUDGET = "budget"


class FailOn(str, Enum):
    """What may make `status` fail."""

    LOST = "lost"
    ALARMS = "alarms"
    BUDGET = "budget"
    FORECAST = "forecast"
    SPOOL = "spool"


app = typer.Typer(
    help="Hundreds of devices: how they are, and simulated ones.", no_args_is_help=True, add_completion=False
)
app.add_typer(budgets, name="budget")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Config = Annotated[
    Path,
    typer.Option("--config", metavar="FILE.toml", help="What cloud/config.py describes: its store is read."),
]
Place = Annotated[
    str | None, typer.Option(metavar="TENANT[/SITE[/DEVICE]]", help="Only these.", show_default="all")
]


@app.command(
    epilog="Example: mirage fleet status --config /etc/mirage/cloud.toml --fail-on lost --fail-on budget"
)
def status(
    config: Config,
    place: Place = None,
    fail_on: Annotated[
        list[FailOn] | None,
        typer.Option(
            help="Exit 1 if a device is lost, has alarms, is over its budget, will be by the forecast, "
            "or has held packets for an hour; repeatable."
        ),
    ] = None,
    *,
    json: Json = False,
) -> None:
    """List every device: its state, last sign, bytes, spool, firmware, bundle and alarms."""
    from mirage.fleet.status import status as command

    command(config, place, [each.value for each in fail_on or ()], json=json)


@app.command(epilog="Example: mirage fleet top --config /etc/mirage/cloud.toml --by spool --once")
def top(
    config: Config,
    place: Place = None,
    by: Annotated[Order, typer.Option(help="What comes first; keys r, t, s, b change it.")] = Order.RATE,
    every: Annotated[
        float, typer.Option(min=0.5, max=3600, metavar="S", help="Look again after so long.")
    ] = 2.0,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    *,
    once: Annotated[bool, typer.Option("--once", help="Print once and end, for scripts.")] = False,
) -> None:
    """Show who sends most, live; q or Ctrl-C ends it."""
    from mirage.fleet.top import top as command

    command(config, place, by.value, every, limit, once=once)


@app.command(epilog="Example: mirage fleet simulate --devices 1000 --minutes 5 --scenario storm --json")
def simulate(
    *,
    devices: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 1000,
    minutes: Annotated[float, typer.Option(min=0.05, max=1440, help="How long they film.")] = 5.0,
    scenario: Annotated[
        Name,
        typer.Option(help="commute: rushes; storm: all moves, links fail; outage: no broker for a while."),
    ] = Name.COMMUTE,
    seed: Annotated[int, typer.Option(help="The same seed makes the same fleet.")] = 0,
    broker: Annotated[
        BrokerName, typer.Option(help="Mosquitto with mutual TLS, or iotcore; auto: what is installed.")
    ] = BrokerName.AUTO,
    bundle: Annotated[
        Path | None, typer.Option(help="Folder with bundle.toml.", show_default="models/tiny")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep store, logs and keys here.")
    ] = None,
    page: Annotated[bool, typer.Option("--page/--no-page", help="Let a browser open the fleet page.")] = True,
    screenshot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Write what the browser saw.")
    ] = None,
    keep_serving: Annotated[
        bool, typer.Option("--keep-serving", help="Keep the page open at the end, until Ctrl-C.")
    ] = False,
    json: Json = False,
) -> None:
    """Let simulated devices speak the real protocol with a real broker and cloud on this machine.

    Exit 1 if a packet was lost, altered or not delivered, or a budget overrun.
    """
    from mirage.fleet.run import simulate as command
    from mirage.fleet.simulate import Request

    request = Request(devices, minutes * 60, scenario, seed, broker.value, bundle, page, screenshot)
    command(request, out, keep_serving=keep_serving, json=json)
