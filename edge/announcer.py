"""Says who this is: births of earlier boots that left packets, this boot's birth, its states.

announce (any thread) --> birth --publish--> broker      retained, of this boot alone
"""

from threading import Lock
from typing import Literal

import structlog

from edge.allowance import Purpose
from edge.books import Books, Outlet
from edge.message import Message, own_bill
from edge.session import Session
from edge.spool import Spool
from wire import documents
from wire.documents import Birth, DocumentError, State
from wire.spent import OTHERS
from wire.topics import DeviceTopics

log = structlog.get_logger()


class Announcer:
    """`announce` may be called from any thread, all else is for the uplink's.

    `expected` are cameras that the birth will name once they are there.
    """

    def __init__(
        self,
        topics: DeviceTopics,
        spool: Spool,
        session: Session,
        standing_bytes: int,
        expected: frozenset[str],
    ) -> None:
        self._topics = topics
        self._spool = spool
        self._session = session
        self._standing_bytes = standing_bytes
        self._expected = expected
        self._lock = Lock()
        self._birth: Birth | None = None
        self._announced = False
        self._repeated = False  # on this connection

    @property
    def is_due(self) -> bool:
        """Whether there is a birth that was not published yet."""
        return not self._announced

    def announce(self, birth: Birth) -> None:
        """Publish this birth from now on."""
        self._spool.keep_birth(documents.encode(birth))
        with self._lock:
            self._birth = birth
            self._announced = False

    def place(self, camera: str) -> int | None:
        """Give a camera's place in the birth, OTHERS if it will have none, None as long as it has none."""
        with self._lock:
            names = [each.name for each in self._birth.cameras] if self._birth else []
        if camera in names:
            return names.index(camera)
        return None if camera in self._expected else OTHERS

    def may_publish(self, books: Books) -> bool:
        """Tell whether the budget has room for births."""
        return books.admits(Purpose.CONNECTION, self._standing_bytes)

    def connect(self) -> None:
        """Begin a connection."""
        self._repeated = False

    def publish(self, link: Outlet, books: Books) -> None:
        """Publish all births, this boot's last. Raises LinkError."""
        for earlier in self._spool.earlier_births():
            try:
                birth = documents.decode_birth(earlier)
            except DocumentError as error:
                log.warning("birth of an earlier boot is not readable", reason=str(error))
                continue
            message = self._birth_message(self._session.earlier_birth(birth), retain=False)
            own = self._standing_bytes  # of which this boot's birth is yet to go
            if books.admits(Purpose.CONNECTION, own + link.size_of(message)):
                books.publish(link, message, Purpose.CONNECTION)
        with self._lock:
            own_birth, self._announced = self._birth, True
        if own_birth is not None:
            message = self._birth_message(self._session.birth(own_birth), retain=True)
            books.publish(link, message, Purpose.CONNECTION)

    def repeat(self, link: Outlet, books: Books) -> None:
        """Say once more what goes before the backlog: a cloud that came meanwhile has not heard it."""
        if not self._repeated and self._spool.earlier_births():
            self.publish(link, books)
        self._repeated = True

    def state(self, state: Literal["ready", "sleeping", "lost"]) -> Message:
        """Make the message of a state."""
        payload = documents.encode(State(state=state, boot_id=self._spool.boot_id.hex()))
        return Message(self._topics.state, payload, retain=True, bill=own_bill("state", payload))

    def _birth_message(self, payload: bytes, *, retain: bool) -> Message:
        return Message(self._topics.birth, payload, retain, bill=own_bill("birth", payload))
