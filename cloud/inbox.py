"""What comes from the broker becomes rows. No I/O but the session's.

    birth --> boots, cameras; frames that waited for it are read again
    state --> boots
    sem   --> packets, segments, jobs | pending: its boot is unknown | quarantine: nobody can read it

The same message twice is the same rows once.
"""

from dataclasses import dataclass
from enum import Enum

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from cloud.index import Index
from cloud.intake import Intake, MisplacedError
from cloud.registry import boot_row, device_row, register
from cloud.schema import DeviceRow, PendingRow, QuarantineRow
from wire import documents, topics
from wire.documents import DocumentError
from wire.envelope import Envelope
from wire.packet import Packet, PacketError
from wire.topics import Topic, TopicError

MAX_PENDING = 4096  # frames that a device without a birth may leave: two hours of one camera
MAX_QUARANTINE = 10_000  # rows; the oldest go


class Outcome(Enum):
    """What became of a message."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    PENDING = "pending"
    QUARANTINED = "quarantined"
    BIRTH = "birth"
    STATE = "state"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Message:
    """One message as the broker delivered it."""

    topic: str
    payload: bytes
    received_ms: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a message, and the device (row id) that is owed an acknowledgement for it."""

    outcome: Outcome
    owed: int | None = None


class Inbox:
    """Accepts messages one by one, within the caller's transaction."""

    def __init__(self, index: Index, intake: Intake, envelope: Envelope) -> None:
        self._index = index
        self._intake = intake
        self._envelope = envelope

    def accept(self, session: Session, message: Message) -> Receipt:
        """Store one message. Bad content never raises: it goes to quarantine."""
        try:
            topic = topics.parse(message.topic)
            if topic.leaf == "birth" and message.payload:
                return self._birth(session, topic, message)
            if topic.leaf == "state" and message.payload:
                return _state(session, topic, message)
            if topic.leaf == "sem":
                return self._sem(session, topic, message)
        except (TopicError, DocumentError, PacketError) as error:
            return _quarantine(session, message, str(error))
        return Receipt(Outcome.IGNORED)  # a retained birth or state that was taken back

    def _birth(self, session: Session, topic: Topic, message: Message) -> Receipt:
        birth = documents.decode_birth(message.payload)
        if birth.device != topic.device:
            raise DocumentError(f"birth of {birth.device!r} came under the topic of {topic.device!r}")
        device = device_row(session, topic, message.received_ms)
        before = boot_row(session, device, birth.boot_id, message.received_ms).birth
        boot = register(session, device, birth, message.payload, message.received_ms)
        if before is not None:
            by_ms = birth.boot_wall_ms - documents.decode_birth(before).boot_wall_ms
            if by_ms:
                self._index.shift(session, boot, by_ms)
        elif boot.highest >= 0:
            self._index.heal(session, boot, message.received_ms)
        owed = self._read_pending(session, device)
        return Receipt(Outcome.BIRTH, device.id if owed else None)

    def _read_pending(self, session: Session, device: DeviceRow) -> bool:
        """Read what waited for a birth; tell whether any of it was stored."""
        waiting = session.scalars(
            select(PendingRow).where(PendingRow.device_id == device.id).order_by(PendingRow.id)
        ).all()
        stored = False
        for row in waiting:
            message = Message(row.topic, row.frame, row.received_ms)
            session.delete(row)
            try:
                topic = topics.parse(row.topic)
                packet = Packet.parse(self._envelope.unwrap(row.frame, row.topic))
                stored |= self._intake.store(
                    session, device, topic, packet, message.received_ms, len(row.frame)
                )
            except (TopicError, PacketError) as error:
                _quarantine(session, message, str(error))
        return stored

    def _sem(self, session: Session, topic: Topic, message: Message) -> Receipt:
        packet = Packet.parse(self._envelope.unwrap(message.payload, message.topic))
        device = device_row(session, topic, message.received_ms)
        if packet.boot_id is None and device.boot_hex is None:
            return _postpone(session, device, message)
        try:
            stored = self._intake.store(
                session, device, topic, packet, message.received_ms, len(message.payload)
            )
        except MisplacedError:
            # Births come under a filter of their own, so a new boot's packets may overtake its birth.
            if packet.boot_id is not None:
                raise
            return _postpone(session, device, message)
        return Receipt(Outcome.STORED if stored else Outcome.DUPLICATE, device.id)


def _state(session: Session, topic: Topic, message: Message) -> Receipt:
    """Note a state with its own boot: a will of an earlier boot then says nothing about this one."""
    state = documents.decode_state(message.payload)
    device = device_row(session, topic, message.received_ms)
    boot_row(session, device, state.boot_id, message.received_ms).state = state.state
    return Receipt(Outcome.STATE)


def _postpone(session: Session, device: DeviceRow, message: Message) -> Receipt:
    waiting = select(func.count()).select_from(PendingRow).where(PendingRow.device_id == device.id)
    if (session.scalar(waiting) or 0) >= MAX_PENDING:
        return _quarantine(session, message, f"{MAX_PENDING} packets wait for this device's birth already")
    session.add(
        PendingRow(
            device_id=device.id,
            topic=message.topic,
            frame=message.payload,
            received_ms=message.received_ms,
        )
    )
    return Receipt(Outcome.PENDING)


def _quarantine(session: Session, message: Message, reason: str) -> Receipt:
    row = QuarantineRow(
        topic=message.topic, frame=message.payload, reason=reason, received_ms=message.received_ms
    )
    session.add(row)
    session.flush()
    session.execute(delete(QuarantineRow).where(QuarantineRow.id <= row.id - MAX_QUARANTINE))
    return Receipt(Outcome.QUARANTINED)
