"""`mirage subscribe`: for people and programs that listen to a broker."""

import signal
import threading
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


class KindName(str, Enum):
    """What can be listened to."""

    EVENTS = "events"
    ALL = "all"


Level = Annotated[str | None, typer.Option(metavar="ID", help="Only this one.", show_default="any")]
File = Annotated[Path | None, typer.Option(metavar="FILE.pem")]


@app.command(
    epilog="Examples: mirage subscribe --host 127.0.0.1 --kind all · mirage subscribe --config viewer.toml "
    "--site north --json | jq -r '.content.data.segment.caption // empty'"
)
def subscribe(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="FILE.toml", help="Broker and filter; a filter given here comes first."
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(metavar="HOST", help="The broker, instead of a file.")] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, show_default="1883, with --ca 8883", help="Of --host.")
    ] = None,
    ca: Annotated[
        Path | None, typer.Option(metavar="FILE.pem", help="Who certifies the broker: TLS.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE.pem", help="Ours, for the broker.")
    ] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE.key", help="Of our certificate.")] = None,
    tenant: Level = None,
    site: Level = None,
    device: Level = None,
    camera: Level = None,
    kind: Annotated[
        KindName, typer.Option(help="Events only, or all that the broker lets us read.")
    ] = KindName.EVENTS,
    count: Annotated[int | None, typer.Option(min=1, metavar="N", help="Stop after so many.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0, metavar="S", help="Stop after this long.")] = None,
    silence: Annotated[
        float, typer.Option(min=0.1, metavar="S", help="Say why nothing may come after this long.")
    ] = 30.0,
    *,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Print events as they come: captions, videos, alerts; with --kind all also states and births.

    What cameras send (sem), telemetry, acks and commands are sealed, and only the cloud opens them.
    This command does not, even where the cloud's key is at hand: it shows their sizes.

    An event that comes twice is printed once.
    """
    from mirage.subscriber.choice import Choice, settings_of
    from mirage.subscriber.command import Wish, main

    choice = Choice(config, host, port, ca, certificate, key, tenant, site, device, camera)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    main(settings_of(choice), Wish(kind.value, json, count, seconds, silence), stop)
