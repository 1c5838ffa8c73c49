"""`mirage bench fuzz`, `chaos`: whether it holds when bytes are wrong, and when everything goes wrong."""

from enum import Enum
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


class BrokerName(str, Enum):
    """Brokers that a run can be made with."""

    IOTCORE = "iotcore"
    MOSQUITTO = "mosquitto"


class EnvelopeName(str, Enum):
    """Envelopes of packets."""

    SEALED = "sealed"
    NONE = "none"


@app.command(epilog="Example: mirage bench fuzz --count 20000 --target packet --target birth --json")
def fuzz(
    *,
    count: Annotated[int, typer.Option(min=1, help="Inputs, shared out over all targets.")] = 1_000_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same inputs.")] = 0,
    target: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Parser to try; repeatable.", show_default="all")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Processes.")] = 1,
    replay: Annotated[
        str | None, typer.Option(metavar="HEX", help="Try this one input of --target; - reads it from stdin.")
    ] = None,
    json: Json = False,
) -> None:
    """Mutated bytes into every parser: which exceptions escape, how long it takes, how much memory."""
    from mirage.bench.fuzz.command import Request, run, run_replay
    from mirage.bench.report import print_report

    names = tuple(target or ())
    if replay is not None:
        print_report(run_replay(names, replay), as_json=json)
        return
    print_report(run(Request(count, seed, names, jobs)), as_json=json)


@app.command(epilog="Example: mirage bench chaos --minutes 30 --seed 7 --broker mosquitto --json")
def chaos(
    *,
    minutes: Annotated[
        float, typer.Option(min=0.1, max=24 * 60, help="How long things go wrong; draining comes after.")
    ] = 3.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same faults.")] = 0,
    broker: Annotated[BrokerName, typer.Option(help="What carries the messages.")] = BrokerName.IOTCORE,
    envelope: Annotated[
        EnvelopeName, typer.Option(help="Whether packets are sealed; bytes are only changed if they are.")
    ] = EnvelopeName.SEALED,
    rate: Annotated[float, typer.Option(min=0.1, max=50, help="Segments a second, of all cameras.")] = 12.0,
    json: Json = False,
) -> None:
    """Kill, cut, delay and damage everything; each segment must be stored once, or listed as given up."""
    from mirage.bench.chaos.command import main
    from mirage.bench.chaos.run import Request
    from mirage.bench.report import print_report

    request = Request(minutes * 60, seed, broker.value, envelope.value, rate)
    print_report(main(request), as_json=json)
