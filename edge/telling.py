"""What a device says of itself by its telemetry topic, and in which order.

    answers to commands          at QoS 1, at once
    minutes                      each minute, and when an alarm rises; late ones first (edge/journal.py)
    statement                    the ledger's totals up to the last minute, by the hour, and once on each
                                 connection that lasts; in as many records as it takes
    remark                       policy when it changes, samples when they double, both by the hour

Statements and remarks wait until all minutes are told: a total holds what the minutes before it say.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import structlog

from edge.allowance import Purpose
from edge.books import Books, Outlet
from edge.commands import Commands
from edge.journal import Journal
from edge.ledger import Fitting, Key, spent
from edge.message import Message, own_bill
from edge.session import Session
from edge.watch import Watch
from wire import documents, telemetry
from wire.spent import OTHERS, Spent
from wire.telemetry import REPLY, Telemetry

STATEMENT_S = 3600.0
SETTLED_S = 600.0  # a connection that lasted so long gets a statement of what the break before it lost
SEAL_BYTES = 21  # at most: a header with a counter of three bytes, and the tag
RECORD_BYTES = 60 - SEAL_BYTES  # of a minute with a camera or none, and of a part of a statement
CAMERA_BYTES = 20  # of each camera more

Place = Callable[[str], int | None]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Said:
    """Where what is said comes from, and where it is counted."""

    commands: Commands
    watch: Watch | None
    books: Books


class Teller:
    """For one thread. Times are monotonic, in seconds.

    `place` gives a camera's place in the birth, OTHERS if it will never have one, None as long as it has
    none: then what it has spent is told later.
    """

    def __init__(self, topic: str, session: Session, said: Said, place: Place) -> None:
        self._topic = topic
        self._session = session
        self._commands = said.commands
        self._watch = said.watch
        self._books = said.books
        self._place = place
        self._journal = Journal()
        self._is_fresh = False  # a minute was told, after which more may be said
        self._uptime_s = 0  # of that minute
        self._stated_s: float | None = None
        self._owed_s: float | None = None  # when a statement is due for this connection

    def connect(self, now_s: float) -> None:
        """Begin a connection."""
        self._journal.connect()
        self._owed_s = now_s + SETTLED_S

    def look(self, now_s: float) -> None:
        """Note a minute that is over, also where it cannot be told now."""
        self._note(None if self._watch is None else self._watch.due(now_s))

    def part(self, now_s: float) -> None:
        """End the minute here: what comes goes by another link."""
        self._note(None if self._watch is None else self._watch.part(now_s))

    def conclude(self, link: Outlet, now_s: float) -> None:
        """Tell what has happened since the last minute; nothing is told after it."""
        if self._watch is not None:
            last = self._watch.now(now_s)
            self._journal.add(fitted(replace(last, spent=spent(self._minute(dict), self._place))))
        self.tell(link, now_s)

    def _note(self, minute: Telemetry | None) -> None:
        if minute is None:
            return
        fits = list[Telemetry]()

        def fitting(sizes: dict[Key, int]) -> dict[Key, int]:
            record, told = packed(minute, sizes, self._place)
            fits.append(record)
            return told

        self._minute(fitting)
        self._journal.add(fits[0])

    def _minute(self, fitting: Fitting) -> dict[Key, int]:
        return self._books.ledger.minute(lambda camera: self._place(camera) is not None, fitting)

    def tell(self, link: Outlet, now_s: float) -> None:
        """Send what is to be said, as far as the budget goes."""
        self._journal.confirmed(link.confirmed)
        self._answer(link)
        while minutes := self._journal.next():
            if not self._send(link, minutes):
                return
            self._journal.told(len(minutes), link.published)
            self._is_fresh, self._uptime_s = True, minutes[-1].uptime_s
        if self._is_fresh and self._watch is not None:
            self._is_fresh = False
            self._remark(link, self._watch, now_s)
            self._state(link, now_s)

    def _answer(self, link: Outlet) -> None:
        for reply in self._commands.replies():
            payload = self._session.seal(bytes((REPLY,)) + documents.encode(reply), self._topic)
            message = Message(self._topic, payload, bill=own_bill("reply", payload))
            if not self._books.admits(Purpose.RECORD, link.size_of(message)):
                log.warning("an answer is not sent: the budget has no room", id=reply.id)
            elif link.takes(message):
                self._books.publish(link, message, Purpose.RECORD)

    def _remark(self, link: Outlet, watch: Watch, now_s: float) -> None:
        remarks = watch.remarks(now_s)
        if remarks and all(self._send(link, [replace(each, uptime_s=self._uptime_s)]) for each in remarks):
            watch.remarked(now_s)

    def _state(self, link: Outlet, now_s: float) -> None:
        owed = self._owed_s is not None and now_s >= self._owed_s
        if self._stated_s is not None and now_s - self._stated_s < STATEMENT_S and not owed:
            return
        totals = spent(self._books.ledger.told(), self._place)
        if all(self._send(link, [each]) for each in statements(self._uptime_s, totals)):
            self._stated_s = now_s
            self._owed_s = None if owed else self._owed_s

    def _send(self, link: Outlet, records: list[Telemetry]) -> bool:
        body = telemetry.write(records)
        probe = Message(self._topic, bytes(len(body) + SEAL_BYTES), qos=0)
        if not self._books.admits(Purpose.RECORD, link.size_of(probe)) or not link.takes(probe):
            return False
        payload = self._session.seal(body, self._topic)
        message = Message(self._topic, payload, qos=0, bill=own_bill("telemetry", payload))
        self._books.publish(link, message, Purpose.RECORD)
        return True


def fitted(minute: Telemetry) -> Telemetry:
    """Leave out figures that can wait, until a minute takes no more than it may."""
    most = allowance(minute)
    for name, nothing in (
        ("power_dw", None),
        ("temperature_c", None),
        ("encode_most_ms", 0),
        ("encode_ms", 0),
    ):
        if len(bytes(minute)) > most:
            minute = replace(minute, **{name: nothing})  # type: ignore[arg-type]  # each name has its type
    return minute


def allowance(minute: Telemetry) -> int:
    """Say how many bytes a minute may take, by the cameras that have sent in it."""
    cameras = sum(each.camera is not None for each in minute.spent)
    return RECORD_BYTES + CAMERA_BYTES * max(cameras - 1, 0)


def packed(minute: Telemetry, sizes: dict[Key, int], place: Place) -> tuple[Telemetry, dict[Key, int]]:
    """Tell sizes in a minute that takes no more than it may; give it, and the sizes that are in it.

    Where figures that can wait are not enough, the smallest sizes wait: they grow until others are smaller.
    """
    told = dict(sizes)
    minute = fitted(replace(minute, spent=spent(told, place)))
    for key in sorted(told, key=lambda key: told[key]):
        if len(bytes(minute)) <= allowance(minute):
            break
        del told[key]
        minute = replace(minute, spent=spent(told, place))
    return minute, told


def statements(uptime_s: int, totals: tuple[Spent, ...]) -> Iterator[Telemetry]:
    """Tell totals in records of at most RECORD_BYTES each; OTHERS change with the settings, so not theirs."""
    for row in totals:
        if row.camera == OTHERS:
            continue
        slots = [at for at, size in enumerate(row.bytes) if size]
        part = list[int]()
        for at in slots:
            if part and len(bytes(_with(uptime_s, row, [*part, at]))) > RECORD_BYTES:
                yield _with(uptime_s, row, part)
                part = []
            part.append(at)
        yield _with(uptime_s, row, part)


def _with(uptime_s: int, row: Spent, slots: list[int]) -> Telemetry:
    sizes = tuple(size if at in slots else 0 for at, size in enumerate(row.bytes))
    return Telemetry(uptime_s, span_s=0, is_statement=True, spent=(Spent(row.camera, sizes),))
