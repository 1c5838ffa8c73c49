"""What binds a receiver travels as a few bytes, and what is not known of it is refused and not ignored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.policy import BindingError, Demands, UnknownConstraintError
from wire.policy.binding import decode, encode

demands = st.builds(
    Demands,
    largest_px=st.none() | st.integers(16, 8192),
    anchors=st.sampled_from(["any", "places", "none"]),
    stand_in=st.booleans(),
    style=st.booleans(),
    publish=st.booleans(),
    keep_days=st.none() | st.integers(1, 36_500),
    viewers=st.sampled_from(["viewer", "operator", "admin"]),
)

GOLDEN = [
    (Demands(anchors="places"), "01"),
    (Demands(anchors="none"), "02"),
    (Demands(stand_in=True), "04"),
    (Demands(style=False), "08"),
    (Demands(publish=False), "10"),
    (Demands(viewers="operator"), "20"),
    (Demands(viewers="admin"), "40"),
    (Demands(largest_px=100), "80 81 01 64"),
    (Demands(largest_px=512), "80 81 02 80 04"),
    (Demands(keep_days=7), "80 82 01 07"),
    (Demands(256, "places", stand_in=True, style=False, publish=False, keep_days=7, viewers="operator"),
     "bd 01 02 80 02 82 01 07"),
    (Demands(8192, keep_days=36_500), "80 01 02 80 40 82 03 94 9d 02"),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "golden"), GOLDEN)
def test_bytes_are_as_written_by_hand(wanted: Demands, golden: str) -> None:
    assert encode(wanted) == bytes.fromhex(golden)
    assert decode(bytes.fromhex(golden)) == wanted


def test_what_does_not_bind_takes_no_layer() -> None:
    assert encode(Demands()) == b""


@given(demands)
def test_what_is_written_is_read_and_takes_ten_bytes_at_most(wanted: Demands) -> None:
    data = encode(wanted)
    assert len(data) <= 10
    if data:
        assert decode(data) == wanted


@given(demands)
def test_every_beginning_of_a_layer_is_refused(wanted: Demands) -> None:
    data = encode(wanted)
    for end in range(len(data)):
        with pytest.raises(BindingError):
            decode(data[:end])
    if data:
        with pytest.raises(BindingError):
            decode(data + b"\0")


@pytest.mark.parametrize("hostile", ["03", "60", "80 83 00", "80 01 01 64 85 02 00 00", "80 bf 01 01"])
def test_a_constraint_that_is_not_known_is_refused(hostile: str) -> None:
    with pytest.raises(UnknownConstraintError, match="does not know"):
        decode(bytes.fromhex(hostile))


def test_a_constraint_that_may_be_ignored_is_skipped() -> None:
    assert decode(bytes.fromhex("81 01 01 64 c5 02 00 00")) == Demands(largest_px=100, anchors="places")
    assert decode(bytes.fromhex("80 c5 00")) == Demands()


@pytest.mark.parametrize(
    ("hostile", "reason"),
    [
        ("", "0 bytes"),
        ("00", "demands nothing"),
        ("01 00", "1 bytes follow"),
        ("80", "ends before"),
        ("80 81", "ends before"),
        ("80 81 02 80", "cut off"),
        ("80 81 01 0f", "largest_px 15 is not 16"),
        ("80 82 01 00", "keep_days 0 is not 1"),
        ("80 81 02 e4 00", "overlong"),
        ("80 81 02 64 64", "in 2 bytes"),
        ("80 c1 01 64", "may be ignored"),
        ("80 02 01 07 81 01 64", "does not ascend"),
        ("80 80 00", "does not ascend"),
        ("80 81 01 64 00", "1 bytes follow"),
    ],
)
def test_what_is_no_layer_is_named(hostile: str, reason: str) -> None:
    with pytest.raises(BindingError, match=reason):
        decode(bytes.fromhex(hostile))


@given(st.binary(max_size=40))
def test_whatever_the_bytes_only_known_errors_escape(data: bytes) -> None:
    try:
        found = decode(data)
    except (BindingError, UnknownConstraintError):
        return
    assert encode(found) == data or any(byte & 64 for byte in data[1:])


@given(demands, demands)
def test_the_strictest_of_two_allows_no_more_than_either(one: Demands, other: Demands) -> None:
    both = one.with_strictest(other)
    assert both == other.with_strictest(one)
    assert both.with_strictest(one) == both
    assert both.publish == (one.publish and other.publish)
    assert both.with_strictest(Demands()) == both
