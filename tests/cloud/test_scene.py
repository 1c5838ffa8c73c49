"""Scenes: what "as before" means, and what happens where "before" is missing."""

import random
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.scene import Link, SceneError, resolve, resolve_around
from edge.composer import Composer
from tests.bundles import CAPTIONS, tokens
from tests.cloud.sample import Device
from wire import gap
from wire.gap import Gap, GapReason
from wire.neighbours import UNKNOWN
from wire.packet import Layer, Packet, PacketError
from wire.segment import Codec, Segment


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


def test_changes_are_read_across_a_hole_that_hides_none(device: Device) -> None:
    packets = [
        device.packet(CAPTIONS[0], seed=7),
        device.packet(CAPTIONS[0], seed=7, still=True),
        device.packet(CAPTIONS[1], seed=7),
    ]
    assert not set(packets[1].layers) & {Layer.APPEARANCE_TOKENS, Layer.APPEARANCE_DETAIL}
    assert packets[2].layers[Layer.APPEARANCE_TOKENS][:2] == bytes((128, 2))
    segments, index = resolve_around(
        [Link(packets[0], broken=True), Link(packets[2], broken=True)], 2, device.codec
    )
    assert segments[index].caption == CAPTIONS[1]
    assert np.array_equal(segments[index].tokens, tokens(7))  # type: ignore[arg-type]


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


# Films of a fixed camera: what is seen, how much of it is another than before, and for how long.
STEPS = st.tuples(
    st.sampled_from(["walk", "walk", "rest", "rest", "cut", "nothing"]),
    st.integers(0, 2**16),
    st.sampled_from([2000, 2000, 9000, 27_000]),
)
FILMS = st.lists(STEPS, min_size=2, max_size=20)
KNOWN = 2  # coarse planes of the sample's bundle
LAST: tuple[str, int, int] = ("cut", 1, 60_000)  # longer than any rest of a minute: it is a refresh


def sent(film: Sequence[tuple[str, int, int]], codec: Codec) -> list[Packet]:
    """Compose a film; the packet behind it is a refresh."""
    composer = Composer(codec, planes=3, still_bytes=90)
    packets, start_ms, scene = [], 0, tokens(0)
    for what, seed, duration_ms in (*film, LAST):
        shown = scene = tokens(seed) if what == "cut" else scene
        if what == "walk":
            shown = scene.copy()
            shown[:, seed % 4, seed // 4 % 4] = 7 - shown[:, seed % 4, seed // 4 % 4]
        segment = Segment(
            start_ms=start_ms,
            duration_ms=duration_ms,
            caption=CAPTIONS[seed % 2],
            motion=None,
            tokens=None if what == "nothing" else shown,
            keyframe_ms=0,
            still=what == "rest",
            cut=what == "cut",
        )
        packets.append(Packet.parse(bytes(composer.compose(segment))))
        start_ms += duration_ms
    assert packets[-1].refresh
    return packets


def read_without(packets: Sequence[Packet], lost: AbstractSet[int], codec: Codec) -> dict[int, Segment]:
    """Read what is left when packets are lost, the last one excepted."""
    left = [packet for packet in packets if packet.sequence not in lost]
    links = [Link(packet, broken=packet.sequence - 1 in {-1, *lost}) for packet in left]
    segments, _ = resolve_around(links, packets[-1].sequence, codec)
    return {segment.sequence: segment for segment in segments}


def without_detail(packet: Packet) -> Packet:
    layers = {layer: data for layer, data in packet.layers.items() if layer != Layer.APPEARANCE_DETAIL}
    return replace(packet, layers=layers)


def agree(seen: Segment, meant: Segment) -> None:
    """Fail unless what was read is what was meant, but for detail that is not there."""
    assert (seen.caption, seen.start_ms, seen.still, seen.cut) == (
        meant.caption, meant.start_ms, meant.still, meant.cut,
    )  # fmt: skip
    if seen.tokens is None or meant.tokens is None:
        assert seen.tokens is meant.tokens
        return
    assert np.array_equal(seen.tokens[:KNOWN], meant.tokens[:KNOWN])
    known = seen.tokens != UNKNOWN
    assert np.array_equal(seen.tokens[known], meant.tokens[known])


def check_loss(packets: Sequence[Packet], lost: AbstractSet[int], codec: Codec) -> None:
    """Fail if a loss gives a wrong picture anywhere, or any loss behind the next refresh."""
    meant = {segment.sequence: segment for segment in resolve(packets, codec)}
    seen = read_without(packets, lost, codec)
    for sequence, segment in seen.items():
        agree(segment, meant[sequence])
    harmed = False
    for packet in packets:
        harmed = (harmed and not packet.refresh) or packet.sequence in lost
        if not harmed:
            whole = seen[packet.sequence]
            assert np.array_equal(whole.tokens, meant[packet.sequence].tokens)  # type: ignore[arg-type]
            assert whole.caption == meant[packet.sequence].caption


SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SLOW
@given(film=FILMS)
def test_any_one_packet_may_be_lost(device: Device, film: list[tuple[str, int, int]]) -> None:
    packets = sent(film, device.codec)
    for packet in packets[:-1]:
        check_loss(packets, {packet.sequence}, device.codec)
        healed = next(each for each in packets if each.refresh and each.sequence > packet.sequence)
        assert healed.captured_ms - packet.captured_ms <= 60_000


@SLOW
@given(film=FILMS, chance=st.randoms(use_true_random=False))
def test_any_packets_may_be_lost(
    device: Device, film: list[tuple[str, int, int]], chance: random.Random
) -> None:
    packets = sent(film, device.codec)
    lost = {packet.sequence for packet in packets[:-1] if chance.random() < 0.3}
    check_loss(packets, lost, device.codec)


@SLOW
@given(film=FILMS, chance=st.randoms(use_true_random=False))
def test_any_detail_may_be_left_out_on_the_way(
    device: Device, film: list[tuple[str, int, int]], chance: random.Random
) -> None:
    packets = sent(film, device.codec)
    meant = resolve(packets, device.codec)
    poorer = [without_detail(packet) if chance.random() < 0.4 else packet for packet in packets]
    for seen, wanted in zip(resolve(poorer, device.codec), meant, strict=True):
        agree(seen, wanted)


def test_those_films_have_all_that_may_happen(device: Device) -> None:
    """Or the tests above would say nothing."""
    film = [("walk", 5, 2000), ("rest", 0, 9000), ("walk", 9, 2000), ("rest", 1, 9000), ("rest", 1, 9000)]
    packets = sent(film, device.codec)
    appearance = {Layer.APPEARANCE_TOKENS, Layer.APPEARANCE_DETAIL}
    forms = [(packet.still, *sorted(appearance & set(packet.layers))) for packet in packets]
    assert forms[0] == (False, 4, 5)
    assert {(True, 4, 5), (False, 4, 5), (True,)} <= set(forms[1:])
    heads = [packet.layers[4][0] for packet in packets if Layer.APPEARANCE_TOKENS in packet.layers]
    assert {head & 128 for head in heads} == {0, 128}
