"""The gap record: which packets will never come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import gap
from wire.gap import Gap, GapError, GapReason
from wire.packet import PacketError

GOLDEN = bytes.fromhex("8c01 64 01")


def test_gap_has_the_documented_bytes() -> None:
    assert gap.encode(Gap(140, 240, GapReason.SPOOL_FULL)) == GOLDEN
    assert gap.decode(GOLDEN) == Gap(140, 240, GapReason.SPOOL_FULL)


@pytest.mark.parametrize("length", range(len(GOLDEN)))
def test_every_prefix_is_refused(length: int) -> None:
    with pytest.raises(GapError):
        gap.decode(GOLDEN[:length])


def test_bytes_behind_are_refused() -> None:
    with pytest.raises(GapError, match="5 bytes, expected 4"):
        gap.decode(GOLDEN + b"\0")


@pytest.mark.parametrize(("first", "last"), [(5, 4), (-1, 4), (0, 2**63)])
def test_what_is_no_range_cannot_be_built(first: int, last: int) -> None:
    with pytest.raises(PacketError, match="no range"):
        Gap(first, last, 1)


def test_a_reason_of_a_later_version_is_kept() -> None:
    assert gap.decode(bytes.fromhex("00 00 63")).label == "reason-99"
    assert Gap(0, 0, GapReason.REFUSED).label == "refused"


@given(st.integers(0, 2**62), st.integers(0, 2**62 - 1), st.integers(0, 255))
def test_decode_reverses_encode(first: int, more: int, reason: int) -> None:
    record = Gap(first, first + more, reason)
    assert gap.decode(gap.encode(record)) == record
