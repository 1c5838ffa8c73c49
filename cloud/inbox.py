"""What comes from the broker becomes rows, a batch at a time.

    birth      --> boots, cameras, keys; frames that waited for it are read again
    state      --> boots
    sem        --> packets | pending: its key or boot is unknown | quarantine: nobody can read it, or may
    telemetry  --> telemetry, commands

Frames are opened and parsed before the transaction begins: it is short, and only one process writes at a
time. The same message twice is the same rows once.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import intake, pending, telemetry
from cloud.births import Births, Newborn, register
from cloud.intake import Opened
from cloud.message import Message, Outcome, Receipt
from cloud.opening import Opener, Opening
from cloud.quarantine import quarantine
from cloud.registry import Registry
from cloud.schema import BootRow, DeviceRow
from cloud.states import States
from cloud.store import Store
from cloud.telemetry import Said
from wire import documents, gap, topics
from wire.documents import DocumentError, State
from wire.packet import Layer, Packet, PacketError, as_live
from wire.telemetry import TelemetryError
from wire.topics import Topic, TopicError

_REFUSALS = (TopicError, DocumentError, PacketError, TelemetryError)
_parse_topic = lru_cache(maxsize=65_536)(topics.parse)


class _Refused(NamedTuple):
    reason: str


class _Waits(NamedTuple):
    device_id: int


class _Said(NamedTuple):
    opening: Opening
    said: Said


class _Stated(NamedTuple):
    topic: Topic
    device_id: int | None
    state: State


_Read = Opened | _Waits | _Refused | _Said | _Stated | None  # None: nothing to be done


class Inbox:
    """Accepts messages. For one thread; raises StoreError, and then nothing of the batch is stored."""

    def __init__(self, store: Store, registry: Registry, births: Births, opener: Opener) -> None:
        self._store = store
        self._registry = registry
        self._births = births
        self._opener = opener
        self._states = States()
        self._current: dict[int, int | None] = {}  # boots of devices, during one batch

    def accept(self, messages: Sequence[Message]) -> list[Receipt]:
        """Store messages, durable on return; births first, because what came with them may need them."""
        receipts = [Receipt(Outcome.IGNORED)] * len(messages)
        births, others = list[int](), list[int]()
        for index, message in enumerate(messages):
            (births if message.topic.endswith("/birth") else others).append(index)
        for indices, taken in ((births, self._take_births), (others, self._take)):
            if indices:
                for index, receipt in zip(indices, taken([messages[i] for i in indices]), strict=True):
                    receipts[index] = receipt
        return receipts

    def refuse(self, message: Message, reason: str) -> Receipt:
        """Put away a message that could not be accepted for a reason that nobody foresaw."""
        with self._store.write() as session:
            quarantine(session, message, reason)
        return Receipt(Outcome.QUARANTINED)

    def revive(self) -> list[int]:
        """Read what waits for births that have come meanwhile; give the devices that are owed an answer."""
        with self._store.read() as session:
            ready = pending.ready(session)
        return sorted({device_id for device_id, key_id in ready if self._revive(device_id, key_id)})

    def _take_births(self, messages: Sequence[Message]) -> list[Receipt]:
        checked = [self._check(message) for message in messages]
        receipts, keys = list[Receipt](), set[tuple[int, int]]()
        with self._store.write() as session:
            for message, born in zip(messages, checked, strict=True):
                if isinstance(born, Newborn):
                    early = self._states.early(_parse_topic(message.topic), born.birth.boot_id)
                    owed = register(session, born, early)
                    keys.add((born.device_id, born.birth.key_id))
                    receipts.append(Receipt(Outcome.BIRTH, born.device_id if owed else None))
                elif born is not None:
                    quarantine(session, message, born.reason)
                    receipts.append(Receipt(Outcome.QUARANTINED))
                else:
                    receipts.append(Receipt(Outcome.IGNORED))
        revived = {device_id for device_id, key_id in sorted(keys) if self._revive(device_id, key_id)}
        return [
            Receipt(receipt.outcome, born.device_id)
            if isinstance(born, Newborn) and born.device_id in revived
            else receipt
            for receipt, born in zip(receipts, checked, strict=True)
        ]

    def _check(self, message: Message) -> Newborn | _Refused | None:
        if not message.payload:
            return None  # a retained birth that was taken back
        try:
            return self._births.check(_parse_topic(message.topic), message)
        except _REFUSALS as error:
            return _Refused(str(error))

    def _take(self, messages: Sequence[Message]) -> list[Receipt]:
        self._current.clear()
        items = [(message, self._read(message)) for message in messages]
        with self._store.write() as session:
            return self._write_all(session, items)

    def _write_all(
        self, session: Session, items: Sequence[tuple[Message, _Read]], *, again: bool = False
    ) -> list[Receipt]:
        opened = [read for _, read in items if isinstance(read, Opened)]
        stored = iter(intake.store(session, opened) if opened else ())
        receipts = list[Receipt]()
        for message, read in items:
            if not isinstance(read, Opened):
                receipts.append(self._write(session, message, read))
                continue
            outcome = next(stored)
            if outcome is not Outcome.QUARANTINED:
                receipts.append(Receipt(outcome, read.device_id))
            elif read.certain or again:
                reason = intake.misplaced(read.packet.sequence)
                receipts.append(self._write(session, message, _Refused(reason)))
            else:
                # Births come under a filter of their own, so a new boot's packets may overtake its birth.
                receipts.append(self._write(session, message, _Waits(read.device_id)))
        return receipts

    def _read(self, message: Message) -> _Read:
        """Open and parse; takes no lock but for rows of names that were never heard before."""
        try:
            topic = _parse_topic(message.topic)
            if topic.leaf == "sem":
                return self._read_sem(topic, message)
            if topic.leaf == "telemetry":
                opening = self._opener.open(topic, message.topic, message.payload, message.received_ms)
                return None if opening is None else _Said(opening, telemetry.read(opening.body))
            if topic.leaf == "state" and message.payload:
                state = documents.decode_state(message.payload)
                return _Stated(topic, self._registry.known_device(topic), state)
        except _REFUSALS as error:
            return _Refused(str(error))
        return None

    def _read_sem(self, topic: Topic, message: Message) -> Opened | _Waits:
        name, frame, now_ms = message.topic, message.payload, message.received_ms
        opening = self._opener.open(topic, name, frame, now_ms)
        if opening is None:
            return _Waits(self._registry.device(topic, now_ms))
        packet = Packet.parse(opening.body)
        device_id, boot_id = opening.device_id, opening.boot_id
        certain = packet.boot_id is not None or boot_id is not None
        if packet.boot_id is not None:
            boot_id = self._registry.boot(device_id, packet.boot_id.hex(), now_ms)
        if boot_id is None:
            boot_id = self._current_boot(device_id)
        if boot_id is None:
            return _Waits(device_id)
        lost = gap.decode(packet.layers[Layer.GAP]) if Layer.GAP in packet.layers else None
        camera_id = self._registry.camera(device_id, topic.camera or "")
        body = as_live(opening.body)
        return Opened(device_id, boot_id, camera_id, packet, body, lost, len(frame), now_ms, certain)

    def _current_boot(self, device_id: int) -> int | None:
        """Give the boot of a device whose frames do not say it: that of its last birth."""
        if device_id not in self._current:
            query = (
                select(BootRow.id)
                .join(DeviceRow, DeviceRow.id == BootRow.device_id)
                .where(DeviceRow.id == device_id, BootRow.boot_hex == DeviceRow.boot_hex)
            )
            with self._store.read() as session:
                self._current[device_id] = session.scalar(query)
        return self._current[device_id]

    def _write(self, session: Session, message: Message, read: _Read) -> Receipt:
        """Write whatever is no packet."""
        if isinstance(read, _Waits):
            waits = pending.postpone(session, read.device_id, message)
            return Receipt(Outcome.PENDING if waits else Outcome.LIMITED)
        if isinstance(read, _Refused):
            quarantine(session, message, read.reason)
            return Receipt(Outcome.QUARANTINED)
        if isinstance(read, _Said):
            return Receipt(telemetry.note(session, read.opening, read.said, message.received_ms))
        if isinstance(read, _Stated):
            self._states.note(session, read.topic, read.device_id, read.state)
            return Receipt(Outcome.STATE)
        return Receipt(Outcome.IGNORED)

    def _revive(self, device_id: int, key_id: int) -> bool:
        """Read again what waited for a birth with this key; tell whether any of it was stored."""
        self._current.clear()
        with self._store.read() as session:
            rows = pending.waiting(session, device_id, key_id)
        items = [(row_id, (message, self._read(message))) for row_id, message in rows]
        ready = [(row_id, item) for row_id, item in items if not isinstance(item[1], _Waits)]
        if not ready:
            return False
        with self._store.write() as session:
            receipts = self._write_all(session, [item for _, item in ready], again=True)
            pending.forget(session, [row_id for row_id, _ in ready])
        return any(receipt.owed is not None for receipt in receipts)
