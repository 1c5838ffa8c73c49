"""`mirage bridge home-assistant`: from Mirage's broker to Home Assistant's, until it is told to stop.

    Mirage's broker --birth, state, event--> Fleet --> Home Assistant's broker
          '<-- acknowledged once the other has it --'

Nothing is taken from the one broker while the other is away: Mirage's keeps it, up to a day, in a session.
"""

import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack

import structlog
from msgspec.structs import replace

from cloud.clock import Clock, wall_ms
from edge.backoff import Backoff
from mirage.bridge.discovery import OFFLINE, ONLINE, Names
from mirage.bridge.fleet import Fleet, Publication
from mirage.bridge.pictures import Pictures, Source
from mirage.bridge.settings import Settings
from mirage.subscriber.connection import BrokerError, Connection, Message, Will
from mirage.subscriber.heard import Heard, HeardError, read
from mirage.subscriber.seen import Seen
from wire.events import AlertRaised, ClipRendered, Event, Notice

SESSION_S = 86_400
SETTLE_S = 30.0  # in which Mirage's broker has said which devices there are
TICK_S = 60.0
CLIENT = "mirage-bridge"  # at a broker that does not take the certificate's name
_STEP_S = 0.2
_RETRY_S = (1.0, 60.0)

log = structlog.get_logger()


class Bridge:
    """Two connections that live and end together. For one thread."""

    def __init__(self, settings: Settings, clock: Clock = wall_ms, settle_s: float = SETTLE_S) -> None:
        """Raise SettingsError for a token that cannot be read."""
        there = settings.home_assistant
        pictures = settings.pictures
        self._settings = settings
        self._clock = clock
        self._settle_s = settle_s
        self._names = Names(there.discovery_prefix, there.topic_prefix)
        self._fleet = Fleet(
            self._names,
            camera=settings.filter.camera,
            url=None if pictures is None else pictures.url,
            pictures=pictures is not None,
            forget_days=there.forget_days,
        )
        self._pictures = None if pictures is None else Pictures(Source(pictures), pictures.every_s)
        self._seen = Seen()
        self._open: list[Event] = []  # events that Home Assistant's broker has not confirmed
        self._recalled = False

    def run(self, stop: threading.Event) -> None:
        """Bridge until `stop` is set; a broker that is not there is tried again for ever."""
        backoff = Backoff(*_RETRY_S)
        while not stop.is_set():
            began_s = time.monotonic()
            trouble = self._until_lost(stop)
            if trouble is not None:
                log.warning("not connected", error=str(trouble))
                if time.monotonic() - began_s > _RETRY_S[1]:
                    backoff.reset()
                stop.wait(backoff.next_delay_s())

    def remove(self) -> int:
        """Take back all devices of this bridge and give their number. Raises BrokerError."""
        with ExitStack() as stack:
            there = self._reach(stack)
            places = self._fleet.places
            for place in places:
                _publish(there, self._fleet.remove(place))
            _publish(there, [Publication(self._names.status, b"")])
        return len(places)

    def close(self) -> None:
        """End the thread that fetches pictures."""
        if self._pictures is not None:
            self._pictures.close()

    def _until_lost(self, stop: threading.Event) -> BrokerError | None:
        try:
            with ExitStack() as stack:
                there = self._reach(stack)
                here = self._listen(stack)
                self._tell(there, [*self._fleet.everything(), Publication(self._names.status, ONLINE)])
                stack.callback(_publish, there, [Publication(self._names.status, OFFLINE)])
                log.info("bridging", devices=len(self._fleet.places))
                self._bridge(here, there, stop)
        except BrokerError as error:
            for event in self._open:  # Mirage's broker brings them again
                self._seen.forget(event)
            self._open.clear()
            return error
        return None

    def _reach(self, stack: ExitStack) -> Connection:
        """Connect to Home Assistant's broker, and the first time learn what it kept of us."""
        there = Connection(self._settings.home_assistant, will=Will(self._names.status, OFFLINE))
        stack.push(_Closing(there))
        if not self._recalled:
            mark = f"{self._names.topic_prefix}/recalled"
            there.subscribe(self._names.configs, self._names.states, mark)
            there.publish(mark, b"", retain=False)  # comes back after what was kept
            deadline_s = time.monotonic() + SETTLE_S
            while not self._recalled and time.monotonic() < deadline_s:
                for message in there.step(_STEP_S):
                    self._recall(message, mark)
                    there.ack(message)
            there.flush()
        return there

    def _recall(self, message: Message, mark: str) -> None:
        if message.topic == mark:
            self._recalled = True
        elif message.retained and message.payload:
            self._fleet.recall(message.topic, message.payload)

    def _listen(self, stack: ExitStack) -> Connection:
        broker, part = self._settings.broker, self._settings.filter
        here = Connection(replace(broker, client=broker.client or CLIENT), session_s=SESSION_S)
        stack.push(_Closing(here))
        here.subscribe(part.events, f"{part.root}/state", f"{part.root}/birth")
        return here

    def _bridge(self, here: Connection, there: Connection, stop: threading.Event) -> None:
        settles_s = time.monotonic() + self._settle_s
        ticks_s = time.monotonic()
        settled = False
        while not stop.is_set():
            messages = here.step(_STEP_S)
            self._tell(there, [told for message in messages for told in self._take(message)])
            for message in messages:
                here.ack(message)
            if self._pictures is not None:
                self._tell(there, [Publication(*picture) for picture in self._pictures.take()])
            for message in there.step(0):
                there.ack(message)
            now_s = time.monotonic()
            if not settled and now_s >= settles_s:
                settled = True
                self._tell(there, self._fleet.settle(self._clock()))
            if now_s >= ticks_s:
                ticks_s = now_s + TICK_S
                self._tell(there, self._fleet.tick(self._clock()))

    def _tell(self, there: Connection, publications: Iterable[Publication]) -> None:
        _publish(there, publications)
        self._fleet.confirm()
        self._open.clear()

    def _take(self, message: Message) -> list[Publication]:
        try:
            heard = read(message)
        except HeardError as error:
            log.warning("left out", error=str(error))
            return []
        event = heard.event
        if not self._settings.filter.admits(heard.topic) or (event and not self._seen.is_new(event)):
            return []
        if event is not None:
            self._open.append(event)
        self._want_picture(heard)
        return self._fleet.hear(heard, self._clock())

    def _want_picture(self, heard: Heard) -> None:
        event = heard.event
        if (
            self._pictures is None
            or event is None
            or isinstance(event, Notice)
            or event.data.segment.historical
        ):
            return
        topic = f"{self._names.topic_prefix}/{heard.place}/picture"
        # The picture of a segment that has a video is its first frame.
        url = event.data.clip.poster if isinstance(event, ClipRendered) else event.data.segment.thumbnail
        self._pictures.want(topic, url, urgent=isinstance(event, AlertRaised))


class _Closing:
    """Says goodbye to a broker at the end, or lets go of a connection that is lost."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        """Nothing is to be done."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, BrokerError):
            self._connection.drop()
        else:
            self._connection.close()


def _publish(there: Connection, publications: Iterable[Publication]) -> None:
    """Publish, and wait until the broker has it all."""
    for publication in publications:
        there.publish(publication.topic, publication.payload, retain=publication.retain)
    there.flush()
