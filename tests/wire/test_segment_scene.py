"""What segments say of a scene: all of it, what changed, more detail, or nothing."""

from dataclasses import replace

import numpy as np
import pytest

from tests.wire.sample import CAPTIONS
from tests.wire.segments import FIRST, LATER, NEXT, TOKENS, carry, same
from wire.neighbours import UNKNOWN
from wire.packet import Layer, Packet, PacketError
from wire.segment import Codec


def test_a_scene_that_stays_still_is_not_sent_again(codec: Codec) -> None:
    still = replace(FIRST, still=True, cut=False)
    seen = codec.resolve(carry(codec, still, None), None)
    packet = carry(codec, replace(still, sequence=8), seen)
    assert set(packet.layers) == {Layer.CAPTION, Layer.MOTION}
    again = codec.resolve(packet, seen)
    assert same(again.tokens, TOKENS[0])
    assert again.keyframe_ms == 0
    third = codec.resolve(carry(codec, replace(still, sequence=9), again), again)
    assert same(third.tokens, TOKENS[0])


def test_a_scene_that_stays_still_is_sent_in_more_detail(codec: Codec) -> None:
    still = replace(FIRST, still=True, cut=False)
    seen = codec.resolve(carry(codec, still, None, 2), None)
    packet = carry(codec, replace(still, sequence=8), seen, 4)
    assert Layer.APPEARANCE_TOKENS not in packet.layers
    again = codec.resolve(packet, seen)
    assert same(again.tokens, TOKENS[0], 4)
    third = codec.resolve(carry(codec, replace(still, sequence=9), again, 6), again)
    assert same(third.tokens, TOKENS[0])


def test_a_scene_that_changed_while_it_was_still_is_sent(codec: Codec) -> None:
    still = replace(FIRST, still=True, cut=False)
    seen = codec.resolve(carry(codec, still, None), None)
    packet = carry(codec, replace(still, tokens=LATER, sequence=8), seen)
    assert packet.layers[Layer.APPEARANCE_TOKENS][0] & 128
    assert same(codec.resolve(packet, seen).tokens, LATER)


def test_a_scene_that_came_to_rest_is_sent(codec: Codec) -> None:
    seen = codec.resolve(carry(codec, FIRST, None), None)
    packet = carry(codec, replace(FIRST, still=True, cut=False, tokens=TOKENS[1], sequence=8), seen)
    assert same(codec.resolve(packet, seen).tokens, TOKENS[1])


def test_layers_keep_to_the_room_that_there_is(codec: Codec) -> None:
    whole = len(bytes(carry(codec, FIRST, None)))
    for room in range(60, whole, 7):
        layers = codec.layers(FIRST, None, None, room)
        packet = Packet(0, 0, 0, layers)
        assert len(bytes(packet)) - 4 <= room or Layer.APPEARANCE_DETAIL not in layers
    assert codec.layers(FIRST, None, None, whole) == codec.layers(FIRST, None, None)


def test_tokens_that_changed_little_are_sent_as_changes(codec: Codec) -> None:
    seen = codec.resolve(carry(codec, FIRST, None), None)
    packet = carry(codec, NEXT, seen)
    alone = carry(codec, NEXT, None)
    assert packet.layers[Layer.APPEARANCE_TOKENS][:2] == bytes((128 + 32, 1))  # of the packet before
    assert len(bytes(packet)) < 0.6 * len(bytes(alone))
    assert same(codec.resolve(packet, seen).tokens, LATER)
    third = replace(NEXT, tokens=TOKENS[0], sequence=9)
    held = codec.resolve(packet, seen)
    assert same(codec.resolve(carry(codec, third, held), held).tokens, TOKENS[0])


@pytest.mark.parametrize("planes", [2, 3, None])
def test_changes_carry_as_many_planes_as_asked_for(codec: Codec, planes: int | None) -> None:
    seen = codec.resolve(carry(codec, FIRST, None, planes), None)
    packet = carry(codec, NEXT, seen, planes)
    assert packet.layers[Layer.APPEARANCE_TOKENS][0] & 128
    assert same(codec.resolve(packet, seen).tokens, LATER, planes)


def test_changes_of_fewer_planes_keep_what_did_not_change(codec: Codec) -> None:
    seen = codec.resolve(carry(codec, FIRST, None), None)
    found = codec.resolve(carry(codec, NEXT, seen, 3), seen).tokens
    assert found is not None
    assert np.array_equal(found[:, :5, :], TOKENS[0][:, :5, :])
    assert np.array_equal(found[:3, 5:, 5:], LATER[:3, 5:, 5:])
    assert (found[3:, 5:, 5:] == UNKNOWN).any()


def test_changes_of_tokens_that_were_lost_are_refused(codec: Codec) -> None:
    seen = codec.resolve(carry(codec, FIRST, None), None)
    packet = carry(codec, NEXT, seen)
    another = codec.resolve(carry(codec, replace(FIRST, sequence=6), None), None)
    for wrong in (None, replace(seen, memory=None), another):
        with pytest.raises(PacketError, match="packet 8 changes tokens that are not here"):
            codec.resolve(packet, wrong)


def test_detail_left_out_on_the_way_costs_detail_only(codec: Codec) -> None:
    first = carry(codec, FIRST, None)
    packet = carry(codec, NEXT, codec.resolve(first, None))
    coarse = {layer: data for layer, data in first.layers.items() if layer != Layer.APPEARANCE_DETAIL}
    seen = codec.resolve(replace(first, layers=coarse), None)
    assert same(codec.resolve(packet, seen).tokens, LATER, 2)


def test_other_scenes_are_sent_by_themselves(codec: Codec) -> None:
    seen = codec.resolve(carry(codec, FIRST, None), None)
    for other in (replace(NEXT, cut=True), replace(NEXT, tokens=TOKENS[1])):
        packet = carry(codec, other, seen)
        assert packet.layers[Layer.APPEARANCE_TOKENS][0] == 32
        assert same(codec.resolve(packet, None).tokens, other.tokens)


def test_more_planes_than_before_are_added_everywhere(codec: Codec) -> None:
    seen = codec.resolve(carry(codec, FIRST, None, 3), None)
    packet = carry(codec, NEXT, seen, 6)
    assert packet.layers[Layer.APPEARANCE_TOKENS][0] & 128
    assert same(codec.resolve(packet, seen).tokens, LATER)


def test_a_still_scene_behind_a_cut_is_sent(codec: Codec) -> None:
    seen = codec.resolve(carry(codec, replace(FIRST, still=True), None), None)
    packet = carry(codec, replace(FIRST, still=True, cut=True, tokens=TOKENS[1], sequence=8), seen)
    assert same(codec.resolve(packet, seen).tokens, TOKENS[1])


def test_a_refresh_needs_nothing(codec: Codec) -> None:
    packet = carry(codec, FIRST, None)
    other = replace(FIRST, caption="something else", tokens=TOKENS[2])
    assert codec.resolve(packet, other).caption == CAPTIONS[0]
    assert same(codec.resolve(packet, other).tokens, TOKENS[0])


def test_a_moving_segment_without_appearance_shows_nothing(codec: Codec) -> None:
    seen = codec.resolve(carry(codec, FIRST, None), None)
    assert codec.resolve(Packet(8, 3000, 2000, {}), seen).tokens is None
    assert codec.resolve(Packet(8, 3000, 2000, {}), seen).caption is None
