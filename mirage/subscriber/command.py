"""`mirage subscribe`: prints what comes, until it is told to stop. Results on stdout, troubles on stderr."""

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.text import Text

from cloud.clock import wall_ms
from edge.backoff import Backoff
from mirage.output import as_json, print_line, printable
from mirage.subscriber.connection import BrokerError, Connection, Message
from mirage.subscriber.heard import Heard, HeardError, read
from mirage.subscriber.seen import Seen
from mirage.subscriber.settings import Settings

Kind = Literal["events", "all"]
_STEP_S = 0.2
_RETRY_S = (1.0, 30.0)  # the delay doubles between these
_STYLES = {
    "alert": "bold red",
    "video": "green",
    "state": "yellow",
    "birth": "yellow",
    "budget": "bold magenta",
    "unusual": "magenta",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is printed, and when to end or to wonder."""

    kind: Kind = "events"
    json: bool = False
    count: int | None = None
    seconds: float | None = None
    silence_s: float = 30.0


class Subscriber:
    """Connects, and again after every loss, but not where the first connection fails: that is a mistake."""

    def __init__(self, settings: Settings, wish: Wish, show: Callable[[Heard], None]) -> None:
        """`show` is called with each message that is wanted."""
        self._settings = settings
        self._wish = wish
        self._show = show
        self._seen = Seen()
        self._shown = 0
        self._began_s = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Go on until `stop` is set or enough has come. Raises BrokerError if there never was a broker."""
        connection: Connection | None = self._connect()
        while connection is not None:
            trouble = self._listen(connection, stop)
            connection = None if trouble is None else self._connect_again(trouble, stop)

    def _connect(self) -> Connection:
        wanted = self._settings.filter
        topics = wanted.events if self._wish.kind == "events" else f"{wanted.root}/#"
        connection = Connection(self._settings.broker)
        try:
            connection.subscribe(topics)
        except BrokerError:
            connection.drop()
            raise
        host, port = self._settings.broker.address
        say(f"connected to {host}:{port}, listening to {topics}")
        return connection

    def _connect_again(self, trouble: BrokerError, stop: threading.Event) -> Connection | None:
        """Try until there is a broker; None where the end comes first."""
        backoff = Backoff(*_RETRY_S)
        while True:
            say(f"{trouble}; trying again")
            if self._is_over(stop) or stop.wait(backoff.next_delay_s()):
                return None
            try:
                return self._connect()
            except BrokerError as error:
                trouble = error

    def _listen(self, connection: Connection, stop: threading.Event) -> BrokerError | None:
        """Show what comes; give the reason where the connection is lost before the end."""
        try:
            self._show_all(connection, stop)
        except BrokerError as error:
            connection.drop()
            return error
        connection.close()
        return None

    def _show_all(self, connection: Connection, stop: threading.Event) -> None:
        quiet_since_s: float | None = time.monotonic()
        while not self._is_over(stop):
            for message in connection.step(_STEP_S):
                quiet_since_s = None
                self._take(message)
                connection.ack(message)
            if quiet_since_s is not None and time.monotonic() - quiet_since_s >= self._wish.silence_s:
                quiet_since_s = None
                say(silence(self._settings, self._wish))

    def _take(self, message: Message) -> None:
        try:
            heard = read(message)
        except HeardError as error:
            say(f"left out: {error}")
            return
        wanted = self._settings.filter.admits(heard.topic)
        if not wanted or (heard.event is not None and not self._seen.is_new(heard.event)):
            return
        if self._wish.count is None or self._shown < self._wish.count:
            self._show(heard)
            self._shown += 1

    def _is_over(self, stop: threading.Event) -> bool:
        late = self._wish.seconds is not None and time.monotonic() - self._began_s >= self._wish.seconds
        enough = self._wish.count is not None and self._shown >= self._wish.count
        return stop.is_set() or late or enough


def silence(settings: Settings, wish: Wish) -> str:
    """Say why nothing may come: a broker that filters does not say so."""
    who = "our certificate's user" if settings.broker.certificate else settings.broker.user or "anybody"
    return (
        f"nothing has come for {wish.silence_s:g} s. Either nothing happens; or the cloud tells no events "
        "([events] of cloud.toml); or no device matches the filter; or the broker does not let "
        f"{who} read this, which Mosquitto does not say (see: mirage cloud acl --help)"
    )


def main(settings: Settings, wish: Wish, stop: threading.Event) -> None:
    """Print what comes until `stop` is set. Raises BrokerError."""
    Subscriber(settings, wish, _json if wish.json else Lines()).run(stop)


def say(text: str) -> None:
    """Tell what is no result."""
    print(f"mirage: {printable(text)}", file=sys.stderr, flush=True)  # noqa: T201 (stdout is for results)


def _json(heard: Heard) -> None:
    print_line(as_json(heard.as_document(wall_ms())))


class Lines:
    """One line for each message: when it came, what, where, and what it says. Colours on a terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)

    def __call__(self, heard: Heard) -> None:
        """Print one."""
        line = Text(f"{time.strftime('%H:%M:%S')}  ")
        line.append(f"{heard.what:<9} ", _STYLES.get(heard.what, ""))
        line.append(f"{heard.place:<32}  ", "cyan")
        line.append(heard.text)
        self._console.print(line)
