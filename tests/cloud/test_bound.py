"""What senders demand: read once, when a packet is derived, and never lost on the way."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select, update

from cloud.access.roles import Role
from cloud.births import heal
from cloud.bound import NOBODY, Bound
from cloud.catalog import Catalog, UnknownSegmentError
from cloud.message import Outcome
from cloud.schema import ClipRow, PacketRow, SegmentRow
from cloud.search import Search, Wanted
from cloud.store import Store
from tests.bundles import CAPTIONS
from tests.cloud.demanding import UNKNOWN, bound_by
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.hls.cinema import Cinema, clip
from tests.cloud.sample import Device
from tests.cloud.schemas import migrate
from tests.cloud.sealed import SealedDesk, SealedDevice
from wire.bundle import Bundle
from wire.envelope import PlainEnvelope
from wire.gap import Gap, GapReason
from wire.gap import encode as encode_gap
from wire.packet import Layer, Packet
from wire.policy import Demands, binding

CAMERA_ID = "acme/north/jetson-1/gate"
MALFORMED = bytes((128,))
STRICT = Demands(largest_px=32, viewers="operator", publish=False, keep_days=2)
LOOSE = Demands(largest_px=64, anchors="none")


def bounds(store: Store) -> list[Bound]:
    """Give what binds the segments, in the order of their packets."""
    query = select(SegmentRow.binds).join(PacketRow, PacketRow.id == SegmentRow.packet_id)
    with store.read() as session:
        return [Bound.read(stored) for stored in session.scalars(query.order_by(PacketRow.sequence))]


@pytest.fixture
def any_desk(any_store: Store, bundle: Bundle, device: Device) -> Desk:
    desk = Desk(any_store, [bundle])
    desk.birth(device)
    return desk


@pytest.mark.parametrize("demands", [Demands(), STRICT, LOOSE, Demands(stand_in=True, style=False)])
def test_what_is_stored_says_what_binds(demands: Demands) -> None:
    assert Bound.read(Bound(demands).stored) == Bound(demands)


def test_of_two_the_strictest_binds_and_closed_is_stricter_than_all() -> None:
    both = Bound(STRICT).with_strictest(Bound(LOOSE))
    assert both.demands == msgspec.structs.replace(STRICT, anchors="none")
    assert both.covers(Bound(STRICT))
    assert not Bound(LOOSE).covers(Bound(STRICT))
    closed = Bound(STRICT).with_strictest(Bound(closed="unknown"))
    assert closed.closed is not None
    assert closed.viewers == NOBODY
    assert not Bound(STRICT).covers(closed)


def test_what_a_packet_demands_is_known_by_its_segment(any_desk: Desk, device: Device) -> None:
    any_desk.sem(device, bound_by(device.packet(), STRICT))
    any_desk.sem(device, device.packet(refresh=True))
    with any_desk.store.read() as session:
        rows = session.scalars(select(SegmentRow).order_by(SegmentRow.packet_id)).all()
    assert [row.viewers for row in rows] == [Role.OPERATOR, Role.VIEWER]
    assert [row.expires_ms for row in rows] == [NOW_MS + 2 * 86_400_000, None]
    assert bounds(any_desk.store) == [Bound(STRICT), Bound()]


def test_what_hangs_on_a_packet_is_bound_by_it_up_to_the_next_refresh(desk: Desk, device: Device) -> None:
    desk.birth(device)
    packets = [bound_by(device.packet(), STRICT), device.packet(), bound_by(device.packet(), LOOSE)]
    packets.append(device.packet(refresh=True))
    for packet in packets:
        desk.sem(device, packet)
    strict, both = Bound(STRICT), Bound(STRICT).with_strictest(Bound(LOOSE))
    assert bounds(desk.store) == [strict, strict, both, Bound()]


@pytest.mark.parametrize("order", [(2, 0, 1), (1, 2, 0), (2, 1, 0)])
def test_it_does_not_matter_in_which_order_packets_come(
    desk: Desk, device: Device, order: tuple[int, ...]
) -> None:
    desk.birth(device)
    packets = [bound_by(device.packet(), STRICT), device.packet(CAPTIONS[1]), device.packet(CAPTIONS[2])]
    for number in order:
        desk.sem(device, packets[number])
    assert bounds(desk.store) == [Bound(STRICT)] * 3


def test_a_gap_does_not_hide_what_bound_before_it(desk: Desk, device: Device) -> None:
    desk.birth(device)
    desk.sem(device, bound_by(device.packet(), STRICT))
    lost = Packet(1, 1000, 0, {Layer.GAP: encode_gap(Gap(1, 1, GapReason.SPOOL_FULL))})
    device.packet()
    desk.sem(device, lost)
    desk.sem(device, device.packet(CAPTIONS[2]))
    assert bounds(desk.store) == [Bound(STRICT)] * 2


@pytest.mark.parametrize("layer", [UNKNOWN, MALFORMED, b"", bytes((3,)), bytes((0,))])
def test_what_binds_by_what_is_not_known_is_kept_and_seen_by_nobody(
    any_desk: Desk, device: Device, layer: bytes
) -> None:
    packet = device.packet(CAPTIONS[0])
    any_desk.sem(device, replace(packet, layers=dict(packet.layers) | {Layer.POLICY: layer}))
    any_desk.sem(device, device.packet(CAPTIONS[1]))
    assert any_desk.count(PacketRow) == 2
    assert any_desk.captions() == [None, None]
    assert len(any_desk.faults()) == 2
    catalog = Catalog(any_desk.store)
    assert catalog.segments(CAMERA_ID, role=Role.ADMIN) == []
    assert catalog.these([1, 2], role=Role.ADMIN) == []
    assert catalog.camera_of(1, role=Role.ADMIN) is None
    with pytest.raises(UnknownSegmentError):
        catalog.segment(1, role=Role.ADMIN)
    assert Search(any_desk.store).find(Wanted("car OR man", {}, role=Role.ADMIN)).results == []


def test_the_reason_names_the_packet(desk: Desk, device: Device) -> None:
    desk.birth(device)
    desk.sem(device, bound_by(device.packet(), UNKNOWN))
    assert desk.faults() == ["packet 0: policy constraint 63 binds, and this version does not know it"]


def test_a_later_version_that_understands_it_shows_it(
    desk: Desk, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.birth(device)
    desk.sem(device, bound_by(device.packet(CAPTIONS[0]), UNKNOWN))
    monkeypatch.setattr("cloud.bound.binding.decode", lambda _layer: STRICT)
    with desk.store.write() as session:
        heal(session)
    desk.derive()
    assert desk.captions() == [CAPTIONS[0]]
    assert bounds(desk.store) == [Bound(STRICT)]


def test_the_same_packet_again_without_its_policy_changes_nothing(desk: Desk, device: Device) -> None:
    desk.birth(device)
    packet = device.packet()
    desk.sem(device, bound_by(packet, STRICT))
    desk.sem(device, packet)
    with desk.store.write() as session:
        session.execute(update(PacketRow).values(underived=2))
    desk.derive()
    assert bounds(desk.store) == [Bound(STRICT)]


def test_nobody_on_the_way_can_take_it_out(store: Store, bundle: Bundle) -> None:
    desk, device = SealedDesk(store, bundle), SealedDevice(bundle)
    desk.enrol(device)
    desk.birth(device)
    packet = device.packet()
    frame, topic = device.frame(bound_by(packet, STRICT)), device.topics.sem("gate")
    assert binding.encode(STRICT) not in frame
    for place in range(len(frame)):
        changed = frame[:place] + bytes((frame[place] ^ 1,)) + frame[place + 1 :]
        assert desk.deliver(topic, changed) not in (Outcome.STORED, Outcome.DUPLICATE)
    for shorter in (frame[:-1], frame[: len(frame) - len(binding.encode(STRICT))]):
        assert desk.deliver(topic, shorter) is not Outcome.STORED
    assert desk.deliver(topic, PlainEnvelope().wrap(bytes(packet), topic)) is not Outcome.STORED
    assert desk.deliver(topic, frame) is Outcome.STORED
    assert bounds(store) == [Bound(STRICT)]


def test_what_came_before_it_was_asked_is_asked_now(
    store_url: str, bundle: Bundle, device: Device, tmp_path: Path
) -> None:
    with closing(Store(store_url)) as store:
        desk = Desk(store, [bundle])
        desk.birth(device)
        for packet in (bound_by(device.packet(), STRICT), device.packet(refresh=True)):
            desk.sem(device, packet)
        for packet_id in (1, 2):
            Cinema(store, tmp_path / "objects").render(packet_id, clip(50, 5))
    migrate(store_url, "0013")
    migrate(store_url, "head")
    with closing(Store(store_url)) as store, store.read() as session:
        assert list(session.scalars(select(SegmentRow.viewers).order_by(SegmentRow.packet_id))) == [4, 1]
        assert list(session.scalars(select(ClipRow.packet_id))) == [2]
    with closing(Store(store_url)) as store:
        Desk(store, [bundle]).derive()
        assert bounds(store) == [Bound(STRICT), Bound()]
        assert Catalog(store).segment(1, Role.OPERATOR).caption == CAPTIONS[0]
