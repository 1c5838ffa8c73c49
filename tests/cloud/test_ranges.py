"""Byte ranges: what browsers ask for while they seek."""

import pytest

from cloud.ranges import RangeError, Span, parse_range


@pytest.mark.parametrize(
    ("header", "span"),
    [
        pytest.param("bytes=0-", Span(0, 100, 100), id="all"),
        pytest.param("bytes=0-0", Span(0, 1, 100), id="first byte"),
        pytest.param("bytes=10-19", Span(10, 20, 100), id="in the middle"),
        pytest.param("bytes=90-500", Span(90, 100, 100), id="beyond the end"),
        pytest.param("bytes=-5", Span(95, 100, 100), id="the last five"),
        pytest.param("bytes=-500", Span(0, 100, 100), id="more than there is"),
    ],
)
def test_a_range_is_read(header: str, span: Span) -> None:
    assert parse_range(header, 100) == span


@pytest.mark.parametrize(
    "header",
    ["bytes=-", "bytes=5-3", "bytes=0-1,3-4", "pages=1-2", "", "bytes=a-b", "bytes=" + "9" * 30 + "-"],
)
def test_what_is_no_simple_range_is_ignored(header: str) -> None:
    assert parse_range(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_outside_is_refused(header: str) -> None:
    with pytest.raises(RangeError):
        parse_range(header, 100)
