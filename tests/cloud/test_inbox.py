"""The inbox: what a store holds after messages came late, twice, out of order, or as nonsense."""

from dataclasses import replace

import msgspec
import pytest
from sqlalchemy import select

from cloud import pending as waiting_room
from cloud import quarantine as quarantines
from cloud.births import heal
from cloud.message import Message, Outcome
from cloud.schema import (
    BootRow,
    CameraRow,
    DeviceRow,
    JobRow,
    PacketRow,
    PendingRow,
    QuarantineRow,
    SegmentRow,
)
from cloud.store import Store
from cloud.watermark import Watermark
from tests.bundles import CAPTIONS
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.sample import BOOT_WALL_MS, Device, layer_bytes
from wire import documents, gap
from wire.bundle import Bundle
from wire.documents import CameraInfo, State
from wire.envelope import SealedEnvelope
from wire.gap import Gap, GapReason
from wire.packet import Layer, Packet


def test_packets_become_segments_with_time_caption_and_bytes(desk: Desk, device: Device) -> None:
    assert desk.birth(device) == Outcome.BIRTH
    packet = device.packet(CAPTIONS[1], start_ms=3_000, duration_ms=1_500)
    frame = device.frame(packet)
    assert desk.deliver(device.topics.sem("gate"), frame) == Outcome.STORED
    with desk.store.read() as session:
        segment = session.scalars(select(SegmentRow)).one()
    assert (segment.start_ms, segment.duration_ms) == (BOOT_WALL_MS + 3_000, 1_500)
    assert (segment.caption, segment.fault) == (CAPTIONS[1], None)
    sizes = msgspec.json.decode(segment.layers, type=dict[str, int])
    assert {label: size for label, size in sizes.items() if label != "header"} == layer_bytes(packet)
    assert sum(sizes.values()) == len(frame), "every byte is accounted for"


def test_a_caption_that_is_not_repeated_is_still_known(desk: Desk, device: Device) -> None:
    desk.birth(device)
    for caption in (CAPTIONS[0], CAPTIONS[0], CAPTIONS[0], CAPTIONS[2]):
        desk.sem(device, device.packet(caption))
    assert desk.captions() == [CAPTIONS[0]] * 3 + [CAPTIONS[2]]


def test_what_the_broker_had_kept_does_not_say_when_a_device_was_seen(desk: Desk, device: Device) -> None:
    desk.birth(device)
    desk.inbox.accept([Message(device.topics.birth, device.birth(), NOW_MS + 60_000, retained=True)])
    with desk.store.read() as session:
        assert session.scalars(select(DeviceRow.seen_ms)).one() == NOW_MS
    desk.inbox.accept([Message(device.topics.birth, device.birth(), NOW_MS + 60_000)])
    with desk.store.read() as session:
        assert session.scalars(select(DeviceRow.seen_ms)).one() == NOW_MS + 60_000


def test_a_duplicate_is_one_packet(desk: Desk, device: Device) -> None:
    desk.birth(device)
    packet = device.packet()
    assert desk.sem(device, packet) == Outcome.STORED
    assert desk.sem(device, packet) == Outcome.DUPLICATE
    backlog = replace(packet, historical=True, boot_id=bytes.fromhex(device.boot_hex))
    assert desk.sem(device, backlog) == Outcome.DUPLICATE
    assert desk.count(PacketRow) == 1


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2), (2, 0, 3, 1)])
def test_the_order_of_arrival_does_not_matter(desk: Desk, device: Device, order: tuple[int, ...]) -> None:
    desk.birth(device)
    packets = [device.packet(CAPTIONS[number // 2]) for number in range(4)]
    for number in order:
        desk.sem(device, packets[number])
    assert desk.captions() == [CAPTIONS[0], CAPTIONS[0], CAPTIONS[1], CAPTIONS[1]]
    assert desk.faults() == []
    assert desk.watermark(device.boot_hex) == Watermark(3)


def test_what_a_missing_packet_said_is_not_guessed(desk: Desk, device: Device) -> None:
    desk.birth(device)
    packets = [device.packet(caption) for caption in (CAPTIONS[0], CAPTIONS[1], CAPTIONS[1])]
    desk.sem(device, packets[0])
    desk.sem(device, packets[2])
    assert desk.captions() == [CAPTIONS[0], None]
    assert desk.faults() == ["packet 2 repeats what an earlier one said, which is not here"]
    assert desk.watermark(device.boot_hex) == Watermark(2, ((1, 1),))


def test_another_cameras_late_packet_also_closes_the_hole(bundle: Bundle, desk: Desk) -> None:
    cameras = (CameraInfo("gate", 640, 480, 25.0), CameraInfo("yard", 640, 480, 25.0))
    device = Device(bundle, cameras=cameras)
    desk.birth(device)
    first, other, second = device.packet(), device.packet(camera="yard"), device.packet()
    desk.sem(device, first)
    desk.sem(device, second)
    assert len(desk.faults()) == 1
    desk.sem(device, other, "yard")
    assert desk.faults() == []


def test_a_packet_before_the_birth_waits_for_it(desk: Desk, device: Device) -> None:
    packets = [device.packet(), device.packet()]
    assert [desk.sem(device, packet) for packet in packets] == [Outcome.PENDING] * 2
    assert desk.count(PacketRow) == 0
    desk.birth(device)
    assert desk.captions() == [CAPTIONS[0]] * 2
    assert desk.count(PendingRow) == 0


def test_a_new_boots_packet_may_overtake_its_birth(desk: Desk, bundle: Bundle, device: Device) -> None:
    desk.birth(device)
    desk.sem(device, device.packet(CAPTIONS[0]))
    rebooted = Device(bundle, boot=2)
    assert desk.sem(rebooted, rebooted.packet(CAPTIONS[3])) == Outcome.PENDING
    desk.birth(rebooted)
    assert desk.captions() == [CAPTIONS[0], CAPTIONS[3]]
    assert desk.watermark(rebooted.boot_hex) == Watermark(0)


def test_backlog_of_an_unknown_boot_is_kept_and_understood_later(
    desk: Desk, bundle: Bundle, device: Device
) -> None:
    rebooted = Device(bundle, boot=2)
    desk.birth(rebooted)
    backlog = replace(device.packet(), historical=True, boot_id=bytes.fromhex(device.boot_hex))
    assert desk.sem(rebooted, backlog) == Outcome.STORED
    assert desk.faults() == ["the birth of its boot has not come yet"]
    desk.birth(device)
    assert (desk.captions(), desk.faults()) == ([CAPTIONS[0]], [])


def test_two_different_packets_in_one_place_do_not_replace_each_other(desk: Desk, device: Device) -> None:
    desk.birth(device)
    packet = device.packet()
    desk.sem(device, packet)
    usurper = replace(packet, duration_ms=1, boot_id=bytes.fromhex(device.boot_hex))
    assert desk.sem(device, usurper) == Outcome.QUARANTINED
    assert desk.captions() == [CAPTIONS[0]]


def test_a_bundle_that_is_not_here_is_a_fault_never_noise(
    store: Store, bundle: Bundle, device: Device
) -> None:
    desk = Desk(store, [])
    desk.birth(device)
    for _ in range(2):
        assert desk.sem(device, device.packet()) == Outcome.STORED
    assert desk.captions() == [None, None]
    assert "which is not here" in desk.faults()[0]
    with store.write() as session:
        heal(session)
    desk = Desk(store, [bundle])
    desk.derive()
    assert (desk.captions(), desk.faults()) == ([CAPTIONS[0]] * 2, []), "once it is here, all is understood"


def test_a_device_may_learn_the_time_later(desk: Desk, device: Device) -> None:
    desk.deliver(device.topics.birth, device.birth(boot_wall_ms=7_000))
    for _ in range(2):
        desk.sem(device, device.packet(duration_ms=1_000))
    desk.birth(device)
    with desk.store.read() as session:
        starts = session.scalars(select(SegmentRow.start_ms).order_by(SegmentRow.start_ms)).all()
    assert starts == [BOOT_WALL_MS, BOOT_WALL_MS + 1_000]


def test_a_gap_record_ends_the_wait_for_what_it_names(desk: Desk, device: Device) -> None:
    desk.birth(device)
    packets = [device.packet() for _ in range(4)]
    desk.sem(device, packets[0])
    record = Packet(4, 4_000, 0, {Layer.GAP: gap.encode(Gap(1, 2, GapReason.SPOOL_FULL))})
    assert desk.sem(device, record) == Outcome.STORED
    desk.sem(device, packets[3])
    assert desk.watermark(device.boot_hex) == Watermark(4)
    assert desk.captions() == [CAPTIONS[0], None], "what is lost is not taken as unchanged"


@pytest.mark.parametrize(
    ("leaf", "payload", "reason"),
    [
        pytest.param("gate/sem", b"", "shorter than a header", id="empty"),
        pytest.param("gate/sem", b"\xa1\0\0", "empty", id="no body"),
        pytest.param("gate/sem", b"hello, world", "begins with", id="text"),
        pytest.param("gate/sem", b"\xa2\0\0" + bytes(8), "begins with", id="newer version"),
        pytest.param("gate/sem", b"\xa1\0\0" + b"\xff" * 40, "flags", id="unknown flags"),
        pytest.param("gate/sem", bytes(65537), "limit", id="too long"),
        pytest.param("birth", b"{}", "birth", id="empty birth"),
        pytest.param("birth", b"[" * 60_000, "birth", id="nested birth"),
        pytest.param("state", b'{"state":"drunk","boot_id":"0000000000000001"}', "state", id="odd state"),
        pytest.param("Gate/sem", b"\xa1\0\0", "camera", id="camera in capitals"),
        pytest.param("telemetry/sem", b"\xa1\0\0", "reserved", id="reserved camera"),
    ],
)
def test_poison_goes_to_quarantine_with_its_reason(
    desk: Desk, device: Device, leaf: str, payload: bytes, reason: str
) -> None:
    desk.birth(device)
    assert desk.deliver(f"{device.topics.root}/{leaf}", payload) == Outcome.QUARANTINED
    with desk.store.read() as session:
        row = session.scalars(select(QuarantineRow)).one()
    assert reason in row.reason
    assert row.frame == payload
    assert desk.count(PacketRow) == 0


def test_a_sealed_frame_is_not_read_as_an_unsealed_one(desk: Desk, device: Device) -> None:
    desk.birth(device)
    topic = device.topics.sem("gate")
    sealed = SealedEnvelope(bytes(32), 3).wrap(bytes(device.packet()), topic)
    assert desk.deliver(topic, sealed) == Outcome.QUARANTINED


def test_a_birth_of_someone_else_is_refused(desk: Desk, bundle: Bundle, device: Device) -> None:
    other = Device(bundle, name="jetson-2")
    assert desk.deliver(device.topics.birth, other.birth()) == Outcome.QUARANTINED
    assert desk.count(CameraRow) == 0


def test_quarantine_and_waiting_room_are_bounded(
    desk: Desk, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantines, "MAX_QUARANTINE", 5)
    monkeypatch.setattr(waiting_room, "MAX_PENDING", 3)
    assert [desk.sem(device, device.packet()) for _ in range(5)] == [Outcome.PENDING] * 5
    assert desk.count(PendingRow) == 3, "the oldest come again: nobody acknowledged them"
    for _ in range(10):
        desk.deliver(device.topics.sem("gate"), b"nonsense")
    assert desk.count(QuarantineRow) == 5


def test_a_will_of_an_earlier_boot_says_nothing_about_this_one(
    desk: Desk, bundle: Bundle, device: Device
) -> None:
    rebooted = Device(bundle, boot=2)
    desk.birth(device)
    desk.birth(rebooted)
    desk.deliver(device.topics.state, documents.encode(State("ready", rebooted.boot_hex)))
    desk.deliver(device.topics.state, documents.encode(State("lost", device.boot_hex)))
    with desk.store.read() as session:
        states = {boot.boot_hex: boot.state for boot in session.scalars(select(BootRow))}
    assert states == {rebooted.boot_hex: "ready", device.boot_hex: "lost"}


def test_a_device_that_sends_is_not_lost(desk: Desk, device: Device) -> None:
    desk.birth(device)
    desk.deliver(device.topics.state, documents.encode(State("lost", device.boot_hex)))
    desk.sem(device, device.packet())
    with desk.store.read() as session:
        assert session.scalars(select(BootRow.state)).one() == "ready"


def test_taken_back_documents_are_ignored(desk: Desk, device: Device) -> None:
    assert desk.deliver(device.topics.birth, b"") == Outcome.IGNORED
    assert desk.deliver(device.topics.state, b"") == Outcome.IGNORED


def test_every_segment_becomes_a_job_where_all_are_rendered(
    store: Store, bundle: Bundle, device: Device
) -> None:
    desk = Desk(store, [bundle], render_all=True)
    desk.birth(device)
    desk.sem(device, device.packet())
    desk.sem(device, device.packet())
    with store.read() as session:
        jobs = session.scalars(select(JobRow).order_by(JobRow.packet_id)).all()
    assert [job.state for job in jobs] == ["queued", "queued"]
    assert jobs[0].not_before_ms <= NOW_MS, "its next segment is here"
    assert jobs[1].not_before_ms > NOW_MS, "it waits a little for its next segment"


def test_nothing_is_rendered_on_demand_before_someone_looks(desk: Desk, device: Device) -> None:
    desk.birth(device)
    desk.sem(device, device.packet())
    assert desk.count(JobRow) == 0
