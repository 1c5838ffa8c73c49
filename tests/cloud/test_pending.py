"""What waits for a key: found by the key's id, on either database."""

from sqlalchemy.orm import Session

from cloud.message import Message
from cloud.pending import postpone, ready, waiting
from cloud.registry import Registry
from cloud.schema import BootRow, KeyRow
from cloud.store import Store
from wire.envelope import PlainEnvelope, SealedEnvelope
from wire.topics import DeviceTopics, parse

TOPICS = DeviceTopics("acme", "north", "one")
SEM = TOPICS.sem("gate")


def wait(session: Session, device_id: int, *key_ids: int) -> None:
    for key_id in key_ids:
        envelope = SealedEnvelope(bytes(32), key_id) if key_id else PlainEnvelope()
        postpone(session, device_id, Message(SEM, envelope.wrap(b"packet", SEM), 0))


def add_key(session: Session, device_id: int, key_id: int) -> None:
    boot = BootRow(device_id=device_id, boot_hex=f"{key_id:016x}", changed_ms=0)
    session.add(boot)
    session.flush()
    row = KeyRow(device_id=device_id, boot_id=boot.id, key_id=key_id, secret=bytes((key_id,)), born_ms=0)
    session.add(row)


def test_a_key_finds_the_frames_that_wait_for_it_and_no_other(any_store: Store) -> None:
    device_id = Registry(any_store).device(parse(SEM), 0)
    with any_store.write() as session:
        wait(session, device_id, 7, 255, 7, 1)
    with any_store.read() as session:
        found = {key_id: [row for row, _ in waiting(session, device_id, key_id)] for key_id in (7, 255, 8)}
    assert found == {7: [1, 3], 255: [2], 8: []}


def test_only_what_has_its_key_or_needs_none_is_read_at_a_start(any_store: Store) -> None:
    device_id = Registry(any_store).device(parse(SEM), 0)
    with any_store.write() as session:
        wait(session, device_id, 7, 255, 0, 200)
        add_key(session, device_id, 255)
        add_key(session, device_id, 9)
    with any_store.read() as session:
        assert ready(session) == [(device_id, 0), (device_id, 255)]
