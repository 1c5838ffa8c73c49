"""A sealed cloud: whom it believes, what it opens, and what it does when someone sends it all again."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import select

from cloud import births
from cloud.message import Message, Outcome
from cloud.opening import REVOCATION_MS, TRIES, Keyring
from cloud.schema import BootRow, DeviceRow, KeyRow, PacketRow, PendingRow, QuarantineRow, SegmentRow
from cloud.store import Store
from cloud.watermark import Watermark
from tests.bundles import CAPTIONS
from tests.cloud.desk import NOW_MS
from tests.cloud.sample import BOOT_WALL_MS, Device
from tests.cloud.sealed import SealedDesk, SealedDevice
from wire.bundle import Bundle
from wire.envelope import PlainEnvelope


@pytest.fixture
def desk(store: Store, bundle: Bundle) -> SealedDesk:
    return SealedDesk(store, bundle)


@pytest.fixture
def device(desk: SealedDesk, bundle: Bundle) -> SealedDevice:
    """Give one that is enrolled and has not spoken yet."""
    made = SealedDevice(bundle)
    desk.enrol(made)
    return made


def reason(desk: SealedDesk) -> str:
    """Give why the last message was put away."""
    with desk.store.read() as session:
        return session.scalars(select(QuarantineRow.reason).order_by(QuarantineRow.id.desc())).first() or ""


def current_boot(desk: SealedDesk) -> str | None:
    with desk.store.read() as session:
        return session.scalars(select(DeviceRow.boot_hex)).one()


def starts(desk: SealedDesk) -> list[int]:
    with desk.store.read() as session:
        return list(session.scalars(select(SegmentRow.start_ms).order_by(SegmentRow.start_ms)))


def test_what_an_enrolled_device_seals_is_stored_under_its_keys_boot(
    desk: SealedDesk, device: SealedDevice
) -> None:
    assert desk.birth(device) == Outcome.BIRTH
    assert desk.sem(device, device.packet(CAPTIONS[2])) == Outcome.STORED
    assert desk.captions() == [CAPTIONS[2]]
    assert desk.watermark(device.boot_hex) == Watermark(0)


def test_a_sealed_packet_before_its_birth_waits_for_it(desk: SealedDesk, device: SealedDevice) -> None:
    frames = [device.frame(device.packet()) for _ in range(3)]
    topic = device.topics.sem("gate")
    assert [desk.deliver(topic, frame) for frame in frames] == [Outcome.PENDING] * 3
    (receipt,) = desk.inbox.accept([Message(device.topics.birth, device.birth(), NOW_MS)])
    assert receipt.owed is not None
    assert (desk.count(PacketRow), desk.count(PendingRow)) == (3, 0)


def test_a_birth_explains_what_comes_in_the_same_batch_before_it(
    desk: SealedDesk, device: SealedDevice
) -> None:
    frame = Message(device.topics.sem("gate"), device.frame(device.packet()), NOW_MS)
    receipts = desk.inbox.accept([frame, Message(device.topics.birth, device.birth(), NOW_MS)])
    assert [receipt.outcome for receipt in receipts] == [Outcome.STORED, Outcome.BIRTH]


def test_what_waits_for_another_key_goes_on_waiting(desk: SealedDesk, device: SealedDevice) -> None:
    frame = device.frame(device.packet())
    birth = device.birth()
    device.connect(device.key_id + 1)
    desk.deliver(device.topics.sem("gate"), frame)
    desk.birth(device)
    assert desk.count(PendingRow) == 1
    desk.deliver(device.topics.birth, birth)
    assert (desk.count(PendingRow), desk.count(PacketRow)) == (0, 1)


def test_a_frame_under_the_key_id_of_an_earlier_boot_waits_for_the_birth_that_brings_its_key(
    desk: SealedDesk, device: SealedDevice
) -> None:
    desk.birth(device)
    key_id = device.key_id
    desk.sem(device, device.packet())
    device.reboot()
    desk.birth(device)
    device.connect(key_id)
    assert desk.sem(device, device.packet()) == Outcome.PENDING
    desk.birth(device)
    assert (desk.count(PendingRow), desk.count(PacketRow), desk.count(QuarantineRow)) == (0, 2, 0)


def test_what_waits_for_other_keys_costs_a_birth_nothing(
    desk: SealedDesk, device: SealedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        desk.deliver(device.topics.sem("gate"), device.frame(device.packet()))
    device.connect(device.key_id + 1)
    with monkeypatch.context() as patch:
        patch.setattr(Keyring, "open", lambda *_: pytest.fail("a frame was opened for nothing"))
        assert desk.birth(device) == Outcome.BIRTH
    assert desk.count(PendingRow) == 3


def test_what_was_left_waiting_is_read_at_the_next_start(
    desk: SealedDesk, device: SealedDevice, bundle: Bundle
) -> None:
    """As after a crash between the two transactions."""
    desk.birth(device)
    packet, frame = device.packet(), b""
    frame = device.frame(packet)
    with desk.store.write() as session:
        session.add(PendingRow(device_id=1, topic=device.topics.sem("gate"), frame=frame, received_ms=NOW_MS))
    assert SealedDesk(desk.store, bundle).inbox.revive() == [1]
    assert (desk.count(PendingRow), desk.count(PacketRow)) == (0, 1)


def _unsealed(device: SealedDevice) -> bytes:
    return PlainEnvelope().wrap(bytes(device.packet()), device.topics.sem("gate"))


def _truncated(device: SealedDevice) -> bytes:
    return device.frame(device.packet())[:-1]


def _altered(device: SealedDevice) -> bytes:
    frame = bytearray(device.frame(device.packet()))
    frame[-20] ^= 1
    return bytes(frame)


def _spliced(device: SealedDevice) -> bytes:
    return device.frame(device.packet(), "yard")


def _downlink(device: SealedDevice) -> bytes:
    """Seal with the key of the other direction."""
    from wire import keys
    from wire.envelope import SealedEnvelope

    envelope = SealedEnvelope(keys.down(device.secret), device.key_id)
    return envelope.wrap(bytes(device.packet()), device.topics.sem("gate"))


@pytest.mark.parametrize("forged", [_unsealed, _truncated, _altered, _spliced, _downlink])
def test_a_frame_that_the_device_did_not_seal_for_this_topic_is_put_away(
    desk: SealedDesk, device: SealedDevice, forged: Callable[[SealedDevice], bytes]
) -> None:
    desk.birth(device)
    frame = forged(device)
    assert desk.deliver(device.topics.sem("gate"), frame) == Outcome.QUARANTINED
    assert desk.count(PacketRow) == 0
    with desk.store.read() as session:
        assert session.scalars(select(QuarantineRow.frame)).all() == [frame]


def test_an_unsigned_birth_is_refused(desk: SealedDesk, device: SealedDevice) -> None:
    assert desk.deliver(device.topics.birth, device.unsigned()) == Outcome.QUARANTINED
    assert "not signed" in reason(desk)
    assert desk.count(DeviceRow) == 0


def test_a_plain_birth_of_a_lab_is_refused(desk: SealedDesk, device: SealedDevice, bundle: Bundle) -> None:
    assert desk.deliver(device.topics.birth, Device(bundle).birth()) == Outcome.QUARANTINED


def test_a_birth_signed_by_anyone_else_is_refused(desk: SealedDesk, device: SealedDevice) -> None:
    device.key = ec.generate_private_key(ec.SECP256R1())
    assert desk.birth(device) == Outcome.QUARANTINED
    assert "altered" in reason(desk)


def test_a_device_that_is_not_enrolled_is_not_heard_and_leaves_no_rows(
    desk: SealedDesk, bundle: Bundle
) -> None:
    stranger = SealedDevice(bundle, name="stranger")
    assert desk.birth(stranger) == Outcome.QUARANTINED
    assert desk.sem(stranger, stranger.packet()) == Outcome.QUARANTINED
    assert "not enrolled" in reason(desk)
    assert (desk.count(DeviceRow), desk.count(PendingRow)) == (0, 0)


def test_a_device_is_not_heard_in_another_tenants_place(desk: SealedDesk, device: SealedDevice) -> None:
    desk.birth(device)
    device.topics = replace(device.topics, tenant="other")
    assert desk.birth(device) == Outcome.QUARANTINED
    assert desk.sem(device, device.packet()) == Outcome.QUARANTINED


def test_a_birth_for_another_cloud_key_is_refused_and_for_an_old_one_taken(
    store: Store, bundle: Bundle, device: SealedDevice, desk: SealedDesk
) -> None:
    old = X25519PrivateKey.generate()
    device.cloud = old
    assert desk.birth(device) == Outcome.QUARANTINED
    assert "another cloud key" in reason(desk)
    both = SealedDesk(store, bundle, (X25519PrivateKey.generate(), old))
    assert both.birth(device) == Outcome.BIRTH


def test_a_revoked_device_is_not_heard_any_more(desk: SealedDesk, device: SealedDevice) -> None:
    desk.birth(device)
    assert desk.sem(device, device.packet()) == Outcome.STORED
    desk.revoke(device)
    desk.now_ms += REVOCATION_MS
    assert desk.sem(device, device.packet()) == Outcome.QUARANTINED
    assert desk.birth(device) == Outcome.QUARANTINED


def test_a_packet_that_is_sent_again_is_one_packet(desk: SealedDesk, device: SealedDevice) -> None:
    desk.birth(device)
    packet = device.packet()
    frame = device.frame(packet)
    topic = device.topics.sem("gate")
    assert [desk.deliver(topic, frame) for _ in range(2)] == [Outcome.STORED, Outcome.DUPLICATE]
    device.connect(device.key_id + 1)
    desk.birth(device)
    assert desk.sem(device, packet) == Outcome.DUPLICATE, "sealed anew"
    assert desk.deliver(topic, frame) == Outcome.DUPLICATE, "an old key still opens what is under way"


def test_backlog_of_an_earlier_boot_is_stored_there(desk: SealedDesk, device: SealedDevice) -> None:
    desk.birth(device)
    earlier, packet = device.boot_hex, device.packet()
    device.reboot()
    desk.birth(device)
    backlog = replace(packet, historical=True, boot_id=bytes.fromhex(earlier))
    assert desk.sem(device, backlog) == Outcome.STORED
    assert desk.watermark(earlier) == Watermark(0)
    assert desk.watermark(device.boot_hex) == Watermark()


def test_a_late_packet_of_the_boot_before_is_not_taken_for_one_of_this_boot(
    desk: SealedDesk, device: SealedDevice
) -> None:
    desk.birth(device)
    earlier, late = device.boot_hex, device.frame(device.packet())
    device.reboot()
    desk.birth(device)
    desk.sem(device, device.packet())
    assert desk.deliver(device.topics.sem("gate"), late) == Outcome.STORED
    assert desk.watermark(earlier) == desk.watermark(device.boot_hex) == Watermark(0)


def test_an_old_birth_that_is_sent_again_does_not_bring_back_its_boot(
    desk: SealedDesk, device: SealedDevice
) -> None:
    old = device.birth()
    desk.deliver(device.topics.birth, old)
    earlier_again = device.birth()
    device.reboot()
    desk.birth(device)
    assert desk.deliver(device.topics.birth, old) == Outcome.BIRTH
    assert desk.deliver(device.topics.birth, earlier_again) == Outcome.BIRTH
    assert current_boot(desk) == device.boot_hex
    with desk.store.read() as session:
        newest = session.scalars(select(KeyRow.secret).order_by(KeyRow.id.desc())).first()
    assert newest == device.secret


def test_a_birth_of_an_earlier_boot_that_comes_late_locks_nobody_out(
    desk: SealedDesk, device: SealedDevice
) -> None:
    late = device.birth()
    device.reboot()
    desk.birth(device)
    desk.deliver(device.topics.birth, late)
    device.connect(device.key_id + 1)
    desk.birth(device)
    assert current_boot(desk) == device.boot_hex
    assert desk.sem(device, device.packet()) == Outcome.STORED
    with desk.store.read() as session:
        newest = session.scalars(select(KeyRow.secret).order_by(KeyRow.id.desc())).first()
    assert newest == device.secret


def test_an_old_birth_of_this_boot_does_not_turn_back_its_clock(
    desk: SealedDesk, device: SealedDevice
) -> None:
    guessed = device.birth(boot_wall_ms=7_000)
    desk.deliver(device.topics.birth, guessed)
    desk.sem(device, device.packet())
    device.connect(device.key_id + 1)
    desk.birth(device)
    assert starts(desk) == [BOOT_WALL_MS]
    desk.deliver(device.topics.birth, guessed)
    assert starts(desk) == [BOOT_WALL_MS]


def test_a_state_that_someone_made_up_before_the_birth_does_not_make_the_boot_known(
    desk: SealedDesk, device: SealedDevice
) -> None:
    desk.birth(device)
    device.reboot()
    forged = f'{{"state":"lost","boot_id":"{device.boot_hex}"}}'.encode()
    assert desk.deliver(device.topics.state, forged) == Outcome.STATE
    assert desk.count(BootRow) == 1
    desk.birth(device)
    assert current_boot(desk) == device.boot_hex


def test_a_state_that_overtakes_its_birth_is_remembered(desk: SealedDesk, device: SealedDevice) -> None:
    desk.deliver(device.topics.state, f'{{"state":"ready","boot_id":"{device.boot_hex}"}}'.encode())
    desk.birth(device)
    with desk.store.read() as session:
        assert session.scalars(select(BootRow.state)).one() == "ready"


def test_keys_of_one_id_are_told_apart_and_the_latest_are_tried(
    desk: SealedDesk, device: SealedDevice
) -> None:
    frames = []
    for _ in range(TRIES + 1):
        device.connect(9)
        desk.birth(device)
        frames.append(device.frame(device.packet()))
    outcomes = [desk.deliver(device.topics.sem("gate"), frame) for frame in frames]
    assert outcomes == [Outcome.QUARANTINED] + [Outcome.STORED] * TRIES


def test_a_new_key_of_a_known_id_is_found_without_a_restart(desk: SealedDesk, device: SealedDevice) -> None:
    desk.birth(device)
    desk.sem(device, device.packet())
    device.connect(device.key_id)
    assert desk.sem(device, device.packet()) == Outcome.QUARANTINED, "its birth has not come yet"
    desk.birth(device)
    assert desk.sem(device, device.packet()) == Outcome.STORED


def test_keys_of_boots_that_are_over_are_bounded(
    desk: SealedDesk, device: SealedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(births, "MAX_KEYS", 3)
    for _ in range(6):
        desk.birth(device)
        device.reboot()
    last = device.key_id
    for key_id in range(last, last + 5):
        device.connect(key_id)
        desk.birth(device)
    with desk.store.read() as session:
        kept = session.scalars(select(KeyRow.key_id).order_by(KeyRow.id)).all()
    assert kept == [*range(last - 3, last), *range(last, last + 5)]


def test_a_birth_that_was_forgotten_brings_no_key_when_it_is_sent_again(
    desk: SealedDesk, device: SealedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(births, "MAX_KEYS", 1)
    recorded = list[bytes]()
    for _ in range(4):
        for _ in range(3):
            device.connect(device.key_id + 1)
            recorded.append(device.birth(BOOT_WALL_MS + device.key_id))
            desk.deliver(device.topics.birth, recorded[-1])
        device.reboot()
    desk.birth(device)
    with desk.store.read() as session:
        before = session.execute(select(KeyRow.id, KeyRow.down_counter)).all()
        boots = session.execute(select(BootRow.boot_hex, BootRow.birth)).all()
    for birth in recorded:
        desk.deliver(device.topics.birth, birth)
    with desk.store.read() as session:
        assert session.execute(select(KeyRow.id, KeyRow.down_counter)).all() == before
        assert session.execute(select(BootRow.boot_hex, BootRow.birth)).all() == boots
    assert current_boot(desk) == device.boot_hex


def test_within_a_boot_no_birth_is_ever_forgotten(
    desk: SealedDesk, device: SealedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(births, "MAX_KEYS", 2)
    recorded = list[bytes]()
    for key_id in range(20, 30):
        device.connect(key_id)
        recorded.append(device.birth(BOOT_WALL_MS + key_id))
        desk.deliver(device.topics.birth, recorded[-1])
    for birth in recorded[:-1]:
        desk.deliver(device.topics.birth, birth)
    with desk.store.read() as session:
        assert session.scalars(select(BootRow.birth)).one() == recorded[-1]
        assert session.scalars(select(KeyRow.key_id).order_by(KeyRow.id.desc())).first() == 29


def test_an_answer_is_owed_for_a_birth_until_something_was_sent_under_its_key(
    desk: SealedDesk, device: SealedDevice
) -> None:
    birth = Message(device.topics.birth, device.birth(), NOW_MS, retained=True)
    assert desk.inbox.accept([birth])[0].owed == 1
    assert desk.inbox.accept([birth])[0].owed == 1, "who owed it may have died"
    with desk.store.write() as session:
        session.scalars(select(KeyRow)).one().down_counter = 1
    assert desk.inbox.accept([birth])[0].owed is None, "the cloud only started anew"
