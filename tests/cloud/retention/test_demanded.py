"""What its sender wants gone, goes: also where the operator keeps it longer, or pins it."""

import pytest
from sqlalchemy import func, select

from cloud.retention.keeps import Keeps
from cloud.schema import Base, CameraRow, ClipRow, JobRow, PacketRow, QuarantineRow, SegmentRow
from tests.cloud.demanding import bound_by
from tests.cloud.retention.archive import DAY_MS, Archive
from wire.packet import Layer, Packet
from wire.policy import Demands

CAMERA_ID = "acme/north/jetson-1/gate"
TWO_DAYS = Demands(keep_days=2)


def count(archive: Archive, table: type[Base]) -> int:
    with archive.store.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def filled(archive: Archive) -> None:
    """Store three packets that bind, and then two that do not."""
    for number in range(3):
        archive.receive(bound_by(archive.device.packet(refresh=number == 0), TWO_DAYS))
    for _ in range(2):
        archive.receive(archive.device.packet(refresh=True))


@pytest.mark.parametrize("limits", [{}, {"packets_days": 30.0, "clips_days": 30.0}])
def test_packets_segments_and_clips_go_when_the_sender_says(
    archive: Archive, limits: dict[str, float]
) -> None:
    filled(archive)
    first, *_ = archive.studio.segments()
    assert archive.studio.ask(first).clip is not None
    archive.now_ms += 2 * DAY_MS - 1
    assert archive.pruner(**limits).prune(archive.now_ms).count() == 0
    archive.now_ms += 1
    told = archive.forecast(**limits)
    gone = archive.pruner(**limits).prune(archive.now_ms)
    assert (gone.cameras[1].packets, gone.cameras[1].clips) == (3, 1)
    assert told.cameras == gone.cameras
    assert [count(archive, table) for table in (PacketRow, SegmentRow, ClipRow, JobRow)] == [2, 2, 0, 0]
    assert list(archive.objects.listed("clips")) == [] or not any(archive.objects.listed("clips"))
    with archive.store.read() as session:
        camera = session.get_one(CameraRow, 1)
        assert camera.segments == 2
        assert camera.bytes == sum(session.scalars(select(PacketRow.size)))


def test_an_interval_that_is_kept_does_not_hold_them(archive: Archive) -> None:
    filled(archive)
    segments = archive.studio.segments()
    Keeps(archive.store).add(CAMERA_ID, segments[0].start_ms, segments[-1].start_ms + 1000)
    archive.now_ms += 3 * DAY_MS
    assert archive.pruner().prune(archive.now_ms).cameras[1].packets == 3


def test_of_the_last_packet_of_all_nothing_is_left_but_its_place(archive: Archive) -> None:
    packet = bound_by(archive.device.packet(), TWO_DAYS)
    archive.receive(packet)
    archive.now_ms += 2 * DAY_MS
    assert archive.pruner().prune(archive.now_ms).cameras[1].packets == 1
    with archive.store.read() as session:
        (row,) = session.scalars(select(PacketRow))
        assert row.gap
        assert set(Packet.parse(row.body).layers) == {Layer.GAP}
        assert session.get_one(CameraRow, 1).bytes == 0
    assert count(archive, SegmentRow) == 0
    assert archive.pruner().prune(archive.now_ms).count() == 0
    archive.receive(packet)  # whoever replays it brings nothing back
    assert count(archive, SegmentRow) == 0
    archive.receive(archive.device.packet(refresh=True))
    assert [segment.id for segment in archive.studio.segments()] == [2]


def test_a_clock_that_is_not_trusted_removes_nothing(archive: Archive) -> None:
    filled(archive)
    archive.now_ms += 3 * DAY_MS
    assert archive.pruner().prune(archive.now_ms, aged=False).count() == 0


def test_no_copy_of_what_could_not_be_derived_is_left(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    with monkeypatch.context() as patched:
        patched.setattr("cloud.derivation.index.read", fail)
        archive.receive(bound_by(archive.device.packet(), TWO_DAYS))
    archive.receive(archive.device.packet(refresh=True))
    assert count(archive, QuarantineRow) == 1
    archive.now_ms += 2 * DAY_MS
    archive.pruner().prune(archive.now_ms)
    assert (count(archive, PacketRow), count(archive, QuarantineRow)) == (1, 0)
