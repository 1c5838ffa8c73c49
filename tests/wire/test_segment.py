"""Segments: what is sent, what is left out, and what the receiver makes of it."""

import random
from dataclasses import replace

import pytest

from tests.wire.sample import CAPTIONS
from tests.wire.segments import FIRST, NEXT, PAN, TOKENS, carry, same
from wire import gap, motion
from wire.gap import Gap
from wire.packet import Layer, Packet, PacketError
from wire.segment import Codec, Segment
from wire.text import TextModel


def test_a_segment_comes_back(codec: Codec) -> None:
    seen = codec.resolve(carry(codec, FIRST, None), None)
    assert (seen.sequence, seen.start_ms, seen.duration_ms) == (7, 1000, 2000)
    assert (seen.caption, seen.motion) == (CAPTIONS[0], motion.quantise(PAN))
    assert (seen.keyframe_ms, seen.still, seen.cut) == (500, False, True)
    assert same(seen.tokens, TOKENS[0])


def test_layers_are_those_of_the_contract(codec: Codec, text_model: TextModel) -> None:
    layers = codec.layers(FIRST, None, 4)
    assert list(layers) == [
        Layer.CAPTION,
        Layer.MOTION,
        Layer.APPEARANCE_TOKENS,
        Layer.APPEARANCE_DETAIL,
    ]
    assert layers[Layer.CAPTION] == text_model.encode(CAPTIONS[0])
    assert layers[Layer.APPEARANCE_TOKENS][0] == 32  # the keyframe is at 32/128 of the duration
    assert layers[Layer.APPEARANCE_DETAIL][0] == 4  # planes


@pytest.mark.parametrize(
    ("planes", "sent"),
    [
        pytest.param(None, 6, id="all"),
        pytest.param(6, 6, id="all by number"),
        pytest.param(3, 3, id="some detail"),
        pytest.param(2, 2, id="coarse only"),
    ],
)
def test_as_many_planes_are_sent_as_asked_for(codec: Codec, planes: int | None, sent: int) -> None:
    packet = carry(codec, FIRST, None, planes)
    assert (Layer.APPEARANCE_DETAIL in packet.layers) == (sent > 2)
    assert same(codec.resolve(packet, None).tokens, TOKENS[0], sent)


def test_no_planes_means_no_appearance(codec: Codec) -> None:
    packet = carry(codec, FIRST, None, 0)
    assert set(packet.layers) == {Layer.CAPTION, Layer.MOTION}
    assert codec.resolve(packet, None).tokens is None


def test_fewer_planes_than_the_coarse_ones_are_refused(codec: Codec) -> None:
    with pytest.raises(PacketError, match="1 planes"):
        codec.layers(FIRST, None, 1)


def test_the_same_caption_costs_nothing(codec: Codec) -> None:
    seen = codec.resolve(carry(codec, FIRST, None), None)
    packet = carry(codec, replace(FIRST, start_ms=3000, sequence=8), seen)
    assert packet.layers[Layer.CAPTION] == b""
    assert codec.resolve(packet, seen).caption == CAPTIONS[0]


def test_an_empty_caption_is_not_a_repeated_one(codec: Codec) -> None:
    packet = carry(codec, replace(FIRST, caption=""), None)
    assert codec.resolve(packet, None).caption == ""


@pytest.mark.parametrize("keyframe_ms", [0, 1, 999, 1990, 2000])
def test_the_keyframe_is_placed_within_a_128th(codec: Codec, keyframe_ms: int) -> None:
    seen = codec.resolve(carry(codec, replace(FIRST, keyframe_ms=keyframe_ms), None), None)
    assert abs(seen.keyframe_ms - keyframe_ms) <= 16


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        pytest.param({Layer.CAPTION: b""}, "repeats a caption", id="as before, but before is nothing"),
        pytest.param({Layer.CAPTION: b"\xff" * 9000}, "caption", id="caption is noise"),
        pytest.param({Layer.MOTION: b""}, "motion layer is empty", id="empty motion"),
        pytest.param({Layer.APPEARANCE_TOKENS: b""}, "none that can be read", id="empty tokens"),
        pytest.param({Layer.APPEARANCE_DETAIL: b"\3"}, "without the coarse", id="detail alone"),
        pytest.param(
            {Layer.APPEARANCE_TOKENS: b"\0a", Layer.APPEARANCE_DETAIL: b"\x63"}, "99 planes", id="99"
        ),
        pytest.param({Layer.GAP: gap.encode(Gap(0, 1, 1))}, "gap record", id="gap"),
    ],
)
def test_packets_without_sense_are_refused(codec: Codec, layers: dict[int, bytes], reason: str) -> None:
    with pytest.raises(PacketError, match=reason):
        codec.resolve(Packet(3, 0, 2000, layers), None)


@pytest.mark.parametrize(("still", "cut"), [(False, False), (True, True)])
def test_detail_belongs_to_a_scene_that_stays(codec: Codec, *, still: bool, cut: bool) -> None:
    seen = codec.resolve(carry(codec, replace(FIRST, still=True), None, 2), None)
    packet = carry(codec, replace(FIRST, still=True, cut=False, sequence=8), seen)
    with pytest.raises(PacketError, match="without the coarse"):
        codec.resolve(replace(packet, still=still, cut=cut), seen)


def test_tokens_need_tables(text_model: TextModel, codec: Codec) -> None:
    wordy = Codec(text_model, None)
    with pytest.raises(PacketError, match="no tables"):
        wordy.layers(FIRST, None, None)
    with pytest.raises(PacketError, match="none that can be read"):
        wordy.resolve(carry(codec, FIRST, None), None)
    assert set(wordy.layers(FIRST, None, 0)) == {Layer.CAPTION, Layer.MOTION}


def test_layers_of_a_later_version_are_skipped(codec: Codec) -> None:
    layers = codec.layers(FIRST, None, None) | {99: b"?"}
    assert codec.resolve(Packet(0, 0, 2000, layers), None).caption == CAPTIONS[0]


def packets_of_all_forms(codec: Codec) -> tuple[Segment, list[Packet]]:
    """Give a receiver's last segment, and packets that may follow: by itself, changes, detail alone."""
    seen = codec.resolve(carry(codec, replace(FIRST, still=True, cut=False), None, 3), None)
    rest = replace(FIRST, still=True, cut=False, sequence=8)
    packets = [carry(codec, FIRST, None), carry(codec, NEXT, seen), carry(codec, rest, seen)]
    assert [sorted(set(packet.layers) & {4, 5}) for packet in packets] == [[4, 5], [4, 5], [5]]
    return seen, packets


def test_every_prefix_of_every_form_is_refused(codec: Codec) -> None:
    _, packets = packets_of_all_forms(codec)
    for data in map(bytes, packets):
        for length in range(len(data)):
            with pytest.raises(PacketError):
                Packet.parse(data[:length])


def test_mutated_packets_resolve_or_raise_packet_error(codec: Codec) -> None:
    chance = random.Random(6)
    seen, packets = packets_of_all_forms(codec)
    originals = [bytes(packet) for packet in packets]
    resolved = 0
    for number in range(600):
        data = bytearray(originals[number % 3])
        for _ in range(chance.randint(1, 2)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            codec.resolve(Packet.parse(bytes(data)), seen)
        except PacketError:
            continue
        resolved += 1
    assert resolved > 60
