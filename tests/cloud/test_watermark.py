"""Watermark: what the cloud claims to hold is what it holds."""

from hypothesis import given
from hypothesis import strategies as st

from cloud.watermark import MAX_ACK_HOLES, Watermark
from wire import documents
from wire.documents import Ack, AckWatermark

RANGES = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 5)).map(lambda pair: (pair[0], sum(pair))), max_size=30
)


def test_nothing_stored_claims_nothing() -> None:
    assert Watermark().acknowledged() is None


def test_a_late_packet_closes_its_hole() -> None:
    seen = Watermark().add(0, 0).add(3, 3)
    assert seen.acknowledged() == AckWatermark(3, ((1, 2),))
    assert seen.add(1, 1).add(2, 2).acknowledged() == AckWatermark(3)


def test_a_first_packet_that_is_not_number_zero_leaves_a_hole() -> None:
    assert Watermark().add(5, 5) == Watermark(5, ((0, 4),))


@given(RANGES)
def test_it_holds_exactly_what_was_added(ranges: list[tuple[int, int]]) -> None:
    seen, stored = Watermark(), set[int]()
    for first, last in ranges:
        seen = seen.add(first, last)
        stored |= set(range(first, last + 1))
    claim = seen.acknowledged()
    claimed = set() if claim is None else {sequence for sequence in range(70) if claim.covers(sequence)}
    assert claimed == stored
    assert Watermark.parse(seen.highest, seen.holes_json) == seen


@given(RANGES)
def test_its_claim_is_a_valid_document(ranges: list[tuple[int, int]]) -> None:
    seen = Watermark()
    for first, last in ranges:
        seen = seen.add(first, last)
    claim = seen.acknowledged()
    if claim is not None:
        documents.encode(Ack({"0123456789abcdef": claim}))


def test_with_too_many_holes_it_claims_less_never_more() -> None:
    seen = Watermark()
    for sequence in range(0, 4 * MAX_ACK_HOLES, 2):
        seen = seen.add(sequence, sequence)
    claim = seen.acknowledged()
    assert claim is not None
    assert len(claim.holes) == MAX_ACK_HOLES
    assert all(not claim.covers(sequence) for sequence in range(1, 4 * MAX_ACK_HOLES, 2))
    assert len(documents.encode(Ack({"0123456789abcdef": claim}))) < documents.MAX_DOCUMENT
