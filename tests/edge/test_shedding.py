"""What a spool can do without: pure."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import shedding
from edge.shedding import Traits, absent, covered, ranges_of, traits, without_detail
from tests.edge.spooling import body_of, stripped
from wire.documents import AckWatermark
from wire.packet import Packet


def test_the_examples_are_right() -> None:
    assert doctest.testmod(shedding).failed == 0


def test_detail_is_taken_out_and_all_else_stays() -> None:
    assert Packet.parse(without_detail(body_of(5))) == stripped(body_of(5))
    assert traits(body_of(5)) == Traits(refresh=True, detail_bytes=60, captured_ms=10_000)
    assert traits(without_detail(body_of(6))) == Traits(refresh=False, captured_ms=12_000)


@pytest.mark.parametrize("body", [b"", b"packet", body_of(3)[:-1]])
def test_a_packet_that_cannot_be_read_stands_alone(body: bytes) -> None:
    assert traits(body) == Traits()


@given(st.sets(st.integers(0, 50)), st.integers(0, 50), st.integers(0, 50))
def test_what_is_absent_and_what_is_present_make_the_whole(present: set[int], first: int, more: int) -> None:
    ranges = ranges_of(sorted(present))
    missing = [
        sequence for low, high in absent(first, first + more, ranges) for sequence in range(low, high + 1)
    ]
    assert missing == [sequence for sequence in range(first, first + more + 1) if sequence not in present]


def test_covered_is_what_a_watermark_covers() -> None:
    assert covered(AckWatermark(9, ((0, 1), (4, 8)))) == [(2, 3), (9, 9)]
