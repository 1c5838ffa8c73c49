"""Packets: numbered, short where nothing changed, complete once a minute."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from edge.composer import Composer
from tests.edge.speech import CODEC, TOKENS
from wire.motion import CameraMotion, Motion
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
            assert np.array_equal(held.tokens, TOKENS[index][:planes])  # type: ignore[arg-type]
