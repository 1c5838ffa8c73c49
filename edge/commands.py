"""Commands of the cloud: checked, carried out in a thread of their own, answered.

    uplink --offer--> [checks] --> queue --> thread "commands": a Handler --> replies --> uplink
                          '-- refused -------------------------------------------^

A command is refused when it is late, repeated, of an unknown verb, or not readable. Whatever opens under the
key is answered; what does not open never gets here.
"""

import queue
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event, Lock

import msgspec
import structlog
from msgspec import Struct

from edge.bucket import Bucket
from edge.clock import CloudClock
from edge.session import Opened
from wire import documents
from wire.documents import Command, DocumentError, Label, Reply, Value

QUEUED = 8  # commands that may wait; one more is refused
REPLIES = 32  # that may wait for the uplink; the oldest is dropped for one more
_REMEMBERED = 1024  # ids, and last counters of keys
_REFUSALS_PER_S = 1 / 60  # in the long run: whoever repeats commands shall not make a device talk
_REFUSALS = 16  # at once
_POLL_S = 0.2

Arguments = Mapping[str, Value]
Handler = Callable[[Arguments], dict[str, Value]]

log = structlog.get_logger()


class CommandError(ValueError):
    """The command cannot be carried out; the message is the answer's detail."""


class _Named(Struct):
    id: Label


@dataclass(frozen=True, slots=True)
class _Order:
    verb: str
    command: Command


class Commands:
    """`offer` and `replies` are for the uplink's thread and never wait; `run` is the thread of handlers."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._clock = CloudClock()
        self._handlers = handlers
        self._orders: queue.Queue[_Order] = queue.Queue(QUEUED)
        self._replies: deque[Reply] = deque(maxlen=REPLIES)
        self._counters: dict[int, int] = {}
        self._ids: dict[str, None] = {}  # in the order in which they came
        self._refusals = Bucket(_REFUSALS_PER_S, _REFUSALS)
        self._lock = Lock()  # of the clock

    def connect(self) -> None:
        """Begin a connection, on which the cloud has not told its time yet."""
        with self._lock:
            self._clock.forget()

    def hear(self, cloud_ms: int, now_s: float) -> None:
        """Note the cloud's time."""
        with self._lock:
            self._clock.hear(cloud_ms, now_s)

    def offer(self, verb: str, opened: Opened, now_s: float) -> None:
        """Take a command that was opened: it will be carried out or refused, and answered."""
        try:
            command = documents.decode_command(opened.body)
        except DocumentError as error:
            self._refuse(_id_of(opened.body), str(error), now_s)
            return
        try:
            self._check(verb, command, opened, now_s)
            self._orders.put_nowait(_Order(verb, command))
            self._ids[command.id] = None
            _forget_oldest(self._ids)
        except CommandError as error:
            self._refuse(command.id, str(error), now_s)
        except queue.Full:
            self._refuse(command.id, f"{QUEUED} commands wait already", now_s)

    def replies(self) -> list[Reply]:
        """Give the answers that are ready."""
        ready = list[Reply]()
        while self._replies:
            ready.append(self._replies.popleft())
        return ready

    def run(self, finish: Event) -> None:
        """Carry out commands until `finish` is set."""
        while not finish.is_set():
            try:
                order = self._orders.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            self._replies.append(self._carried_out(order))

    def _check(self, verb: str, command: Command, opened: Opened, now_s: float) -> None:
        if not opened.fresh:
            raise CommandError("sealed for an earlier connection")
        if opened.counter is not None:
            if opened.counter <= self._counters.get(opened.key, -1):
                raise CommandError("repeated")
            self._counters[opened.key] = opened.counter
            _forget_oldest(self._counters)
        if command.id in self._ids:
            raise CommandError("repeated")
        self._check_time(command, now_s)
        if verb not in self._handlers:
            raise CommandError(f"verb {verb} is not known to this version")

    def _check_time(self, command: Command, now_s: float) -> None:
        with self._lock:
            cloud_ms = self._clock.now_ms(now_s)
        if cloud_ms is None:
            raise CommandError("no time known: the cloud has acknowledged nothing on this connection")
        if cloud_ms > command.deadline_ms:
            raise CommandError(f"late by {cloud_ms - command.deadline_ms} ms")

    def _carried_out(self, order: _Order) -> Reply:
        command = order.command
        try:
            self._check_time(command, time.monotonic())  # it may have waited
            result = self._handlers[order.verb](command.arguments)
        except CommandError as error:
            log.info("command refused", verb=order.verb, reason=str(error))
            return Reply(command.id, ok=False, detail=str(error)[:1024])
        log.info("command carried out", verb=order.verb, result=result)
        return Reply(command.id, ok=True, result=result)

    def _refuse(self, command_id: str, reason: str, now_s: float) -> None:
        log.info("command refused", id=command_id, reason=reason)
        if self._refusals.admits(1, now_s):
            self._refusals.take(1, now_s)
            self._replies.append(Reply(command_id, ok=False, detail=reason[:1024]))


def _id_of(body: bytes) -> str:
    """Give the id of a command that is not readable otherwise, for its answer."""
    try:
        return msgspec.json.decode(body, type=_Named).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "unknown"


def _forget_oldest(seen: dict[int, int] | dict[str, None]) -> None:
    while len(seen) > _REMEMBERED:
        oldest = next(iter(seen))
        del seen[oldest]  # type: ignore[arg-type]
