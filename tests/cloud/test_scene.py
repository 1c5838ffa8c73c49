"""Scenes: what "as before" means, and what happens where "before" is missing."""

from dataclasses import replace

import pytest

from cloud.scene import Link, SceneError, resolve, resolve_around
from tests.bundles import CAPTIONS, tokens
from tests.cloud.sample import Device
from wire import gap
from wire.gap import Gap, GapReason
from wire.packet import Layer, Packet, PacketError


def film(device: Device) -> list[Packet]:
    """Give a moving, a changed, then two still segments that are not described again."""
    return [
        device.packet(CAPTIONS[0], seed=1),
        device.packet(CAPTIONS[1], seed=2, still=True),
        device.packet(CAPTIONS[1], seed=2, still=True),
        device.packet(CAPTIONS[1], seed=2, still=True),
    ]


def test_a_recording_is_understood_as_it_was_meant(device: Device) -> None:
    packets = film(device)
    assert Layer.APPEARANCE_TOKENS not in packets[3].layers, "or this test would say nothing"
    segments = resolve(packets, device.codec)
    assert [segment.caption for segment in segments] == [CAPTIONS[0], *[CAPTIONS[1]] * 3]
    assert [segment.sequence for segment in segments] == [0, 1, 2, 3]
    last = segments[3].tokens
    assert last is not None
    assert last.tolist() == tokens(2).tolist()


def test_a_packet_whose_predecessor_is_missing_is_refused(device: Device) -> None:
    packets = film(device)
    with pytest.raises(SceneError, match="packet 3 repeats"):
        resolve([packets[0], packets[1], packets[3]], device.codec)


def test_a_packet_that_says_all_by_itself_needs_no_predecessor(device: Device) -> None:
    packets = film(device)
    assert len(resolve([packets[1], packets[2]], device.codec)) == 2


def test_packets_out_of_order_are_refused(device: Device) -> None:
    packets = film(device)
    with pytest.raises(SceneError, match="packet 0 comes after packet 1"):
        resolve([packets[1], packets[0]], device.codec)


def test_a_gap_record_is_no_segment_and_ends_what_was_known(device: Device) -> None:
    packets = film(device)
    record = Packet(3, 0, 0, {Layer.GAP: gap.encode(Gap(0, 0, GapReason.DAMAGED))})
    assert len(resolve([packets[0], packets[1], packets[2], record], device.codec)) == 3
    after = replace(packets[3], sequence=4)
    with pytest.raises(SceneError, match="packet 4"):
        resolve([*packets[:3], record, after], device.codec)


def test_around_a_hole_the_readable_part_is_read(device: Device) -> None:
    packets = film(device)
    links = [Link(packets[0], broken=True), Link(packets[2], broken=True), Link(packets[3], broken=False)]
    segments, index = resolve_around(links, 0, device.codec)
    assert (len(segments), index) == (1, 0)
    with pytest.raises(SceneError, match="packet 3 repeats"):
        resolve_around(links, 3, device.codec)


def test_a_keyframe_sent_as_changes_is_not_drawn_over_another(device: Device) -> None:
    packets = [device.packet(CAPTIONS[number], seed=7) for number in range(3)]
    assert len(packets[1].layers[Layer.APPEARANCE_TOKENS]) < len(packets[0].layers[Layer.APPEARANCE_TOKENS])
    links = [Link(packets[0], broken=True), Link(packets[1], broken=False), Link(packets[2], broken=False)]
    segments, index = resolve_around(links, 2, device.codec)
    found = segments[index].tokens
    assert found is not None
    assert found.tolist() == tokens(7).tolist()
    with pytest.raises(PacketError, match="packet 2 changes tokens that are not here"):
        resolve_around([links[0], Link(packets[2], broken=True)], 2, device.codec)


def test_a_damaged_neighbour_does_not_hurt(device: Device) -> None:
    packets = film(device)
    damaged = replace(packets[0], layers={Layer.APPEARANCE_TOKENS: b""})
    links = [Link(damaged, broken=True), Link(packets[1], broken=False), Link(packets[2], broken=False)]
    segments, index = resolve_around(links, 2, device.codec)
    assert (segments[index].caption, index) == (CAPTIONS[1], 1)
    with pytest.raises(PacketError):
        resolve_around(links, 0, device.codec)


def test_a_packet_that_is_not_there_is_an_error(device: Device) -> None:
    with pytest.raises(SceneError, match="packet 7 is not here"):
        resolve_around([Link(device.packet(), broken=True)], 7, device.codec)
