"""Packets: numbered, short where nothing changed, complete once a minute."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from edge.composer import Composer
from tests.edge.speech import CODEC, TOKENS
from wire.motion import CameraMotion, Motion, ObjectMotion
from wire.neighbours import UNKNOWN
from wire.packet import Layer, Packet
from wire.segment import Segment

SEGMENT = Segment(
    start_ms=0,
    duration_ms=2000,
    caption="a red car drives to the left",
    motion=Motion(CameraMotion(pan_x=0.25)),
    tokens=TOKENS[0],
    keyframe_ms=500,
    still=False,
    cut=False,
)


def later(segment: Segment, start_ms: int) -> Segment:
    return replace(segment, start_ms=start_ms)


def test_the_first_packet_needs_no_other() -> None:
    packet = Composer(CODEC, 8).compose(SEGMENT)
    assert (packet.sequence, packet.refresh, packet.captured_ms, packet.duration_ms) == (0, True, 0, 2000)
    assert set(packet.layers) == {
        Layer.CAPTION,
        Layer.MOTION,
        Layer.APPEARANCE_TOKENS,
        Layer.APPEARANCE_DETAIL,
    }


def test_a_caption_that_did_not_change_is_not_sent_again() -> None:
    composer = Composer(CODEC, 8)
    composer.compose(SEGMENT)
    packet = composer.compose(later(SEGMENT, 2000))
    assert (packet.sequence, packet.refresh, packet.layers[Layer.CAPTION]) == (1, False, b"")


def test_a_scene_that_rests_is_not_depicted_again() -> None:
    composer = Composer(CODEC, 8)
    still = replace(SEGMENT, still=True, motion=None)
    sizes = [len(bytes(composer.compose(later(still, index * 10_000)))) for index in range(3)]
    assert max(sizes[1:]) < 12
    assert sizes[0] > 60


def test_a_still_minute_takes_the_bytes_that_it_may() -> None:
    still = replace(SEGMENT, still=True, motion=None, duration_ms=60_000)
    for limit in (120, 180, 250):
        composer = Composer(CODEC, 4, still_bytes=limit)
        for minute in range(2):
            packet = composer.compose(later(still, minute * 60_000))
            assert packet.refresh
            assert limit - 30 < len(bytes(packet)) <= limit
    everything = Composer(CODEC, 4, still_bytes=10_000).compose(still)
    assert everything.layers[Layer.APPEARANCE_DETAIL][0] == 12


def test_the_coarse_picture_of_a_still_scene_is_sent_however_few_bytes_it_may_take() -> None:
    packet = Composer(CODEC, 8, still_bytes=0).compose(replace(SEGMENT, still=True))
    assert Layer.APPEARANCE_TOKENS in packet.layers
    assert Layer.APPEARANCE_DETAIL not in packet.layers


def test_detail_gathers_while_a_scene_rests() -> None:
    composer, held = Composer(CODEC, 4, still_bytes=150), None
    depths, size = [], 0
    for index in range(6):
        still = index > 0
        packet = composer.compose(replace(SEGMENT, start_ms=index * 9000, still=still))
        size += len(bytes(packet)) if still else 0
        held = CODEC.resolve(packet, held)
        assert held.memory is not None
        depths.append(held.memory.depth.mean())
    assert depths[0] == 4
    assert depths[-1] > 6
    assert depths == sorted(depths)
    assert size <= 150 + 5 * 14  # what says "as before" is not saved


def test_a_background_keeps_its_detail_while_someone_walks_through() -> None:
    composer, held = Composer(CODEC, 4, still_bytes=1000), None
    held = CODEC.resolve(composer.compose(replace(SEGMENT, still=True)), held)
    for index in range(1, 4):
        tokens = TOKENS[0].copy()
        tokens[:, 2:6, 2 * index] = 7 - tokens[:, 2:6, 2 * index]
        packet = composer.compose(replace(SEGMENT, start_ms=index * 2000, tokens=tokens))
        assert len(packet.layers[Layer.APPEARANCE_TOKENS]) < 30
        held = CODEC.resolve(packet, held)
        assert held.memory is not None
        assert set(held.memory.depth.ravel().tolist()) == {4, 12}
        assert (held.memory.depth == 4).sum() <= 4 * index


def test_the_first_keyframe_before_a_camera_at_rest_is_deeper() -> None:
    walked = TOKENS[0].copy()
    walked[:, 4:, 4:] = TOKENS[1][:, 4:, 4:]

    def depths(motion: Motion, planes: int) -> list[int]:
        composer, seen = Composer(CODEC, planes), None
        for start_ms, tokens in ((0, TOKENS[0]), (2000, walked)):
            segment = replace(SEGMENT, start_ms=start_ms, motion=motion, tokens=tokens)
            seen = CODEC.resolve(composer.compose(segment), seen)
        assert seen is not None
        assert seen.memory is not None
        return sorted(set(seen.memory.depth.ravel().tolist()))

    thing = ObjectMotion(0.5, 0.5, 0.2, 0.2, 0.1, 0)
    assert depths(Motion(objects=(thing,)), 5) == [5, 10]
    assert depths(Motion(objects=(thing,)), 8) == [8, 12]
    assert depths(Motion(CameraMotion(0.2)), 5) == [5]


def test_no_packet_reaches_further_than_a_minute_from_its_refresh() -> None:
    composer, start_ms, refreshed_ms = Composer(CODEC, 4), 0, 0
    for index in range(40):
        still = index % 7 == 3
        duration_ms = 27_000 if still else 2100
        segment = replace(SEGMENT, start_ms=start_ms, duration_ms=duration_ms, still=still)
        if composer.compose(segment).refresh:
            refreshed_ms = start_ms
        start_ms += duration_ms
        assert start_ms - refreshed_ms <= 60_000


def test_every_minute_a_packet_is_complete() -> None:
    composer = Composer(CODEC, 8, refresh_ms=60_000)
    packets = [composer.compose(later(SEGMENT, index * 20_000)) for index in range(7)]
    assert [packet.refresh for packet in packets] == [True, False, False, True, False, False, True]
    assert all(packet.layers[Layer.CAPTION] for packet in packets if packet.refresh)


def test_cameras_of_one_device_count_together() -> None:
    sequences = count()
    door, yard = (Composer(CODEC, 8, sequences=sequences) for _ in range(2))
    assert [each.compose(SEGMENT).sequence for each in (door, yard, door)] == [0, 1, 2]


@pytest.mark.parametrize("planes", [0, 4, 12])
def test_the_receiver_sees_the_segments_through_the_packets(planes: int) -> None:
    composer, held = Composer(CODEC, planes), None
    for index in range(6):
        segment = replace(
            SEGMENT,
            start_ms=index * 2000,
            caption=f"a red car drives {'left' if index % 3 else 'right'}",
            tokens=TOKENS[index],
            cut=index == 4,
            sequence=index,
        )
        packet = Packet.parse(bytes(composer.compose(segment)))
        held = CODEC.resolve(packet, held)
        assert (held.caption, held.motion, held.cut) == (segment.caption, segment.motion, segment.cut)
        assert (held.start_ms, held.duration_ms, held.sequence) == (index * 2000, 2000, index)
        if planes == 0:
            assert held.tokens is None
        else:
            assert held.tokens is not None
            assert np.array_equal(held.tokens[:planes], TOKENS[index][:planes])
            assert (held.tokens[planes:] == UNKNOWN).all()


@pytest.mark.parametrize("still", [False, True])
@pytest.mark.parametrize("cut", [False, True])
def test_no_packet_has_more_planes_than_the_sender_allows(still: bool, cut: bool) -> None:  # noqa: FBT001 -- cases
    motion = None if still else Motion(objects=(ObjectMotion(0.5, 0.5, 0.2, 0.2, 0.1, 0.0),))
    scene = replace(SEGMENT, still=still, cut=cut, motion=motion, duration_ms=10_000)
    composer, held = Composer(CODEC, 8, still_bytes=10_000), None
    composer.adopt(8, 10_000, most_planes=6)
    deepest = list[int]()
    for at in range(4):
        held = CODEC.resolve(composer.compose(later(scene, at * 10_000)), held)
        assert held.memory is not None
        deepest.append(int(held.memory.depth.max()))
    assert max(deepest) == 6


def test_what_binds_the_receiver_is_in_every_packet_and_counts() -> None:
    still = replace(SEGMENT, still=True, motion=None, duration_ms=10_000)
    composer = Composer(CODEC, 4, still_bytes=200)
    composer.adopt(4, 200, binding=b"\x10")
    packets = [composer.compose(later(still, at * 10_000)) for at in range(5)]
    assert {packet.layers[Layer.POLICY] for packet in packets} == {b"\x10"}
    assert len(bytes(packets[0])) <= 200
    composer.adopt(4, 200)
    assert Layer.POLICY not in composer.compose(later(still, 50_000)).layers
