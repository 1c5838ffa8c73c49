"""Two devices with one identity are noticed; reboots and births that come late are not taken for it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.identity.clones import CHANGES, WITHIN_MS, Connection, running_twice

MOST_LATE = 3  # places by which a birth may be displaced


def at(boots: str, step_ms: int = 5000, start_ms: int = 1_000_000) -> list[Connection]:
    return [Connection(boot, start_ms + index * step_ms) for index, boot in enumerate(boots)]


def verdict(connections: list[Connection]) -> tuple[str, str] | None:
    return running_twice(connections, connections[-1].born_ms if connections else 0)


def test_two_boots_that_throw_each_other_out_are_noticed() -> None:
    assert verdict(at("abababababab")) == ("a", "b")
    assert verdict(at("aabababbbaabababb")) == ("a", "b")


def test_it_takes_as_many_changes_as_it_says() -> None:
    alternating = ("ab" * CHANGES)[: CHANGES + 1]
    assert verdict(at(alternating)) is not None
    assert verdict(at(alternating[:-1])) is None


def test_changes_that_are_far_apart_are_no_sign() -> None:
    assert verdict(at("ab" * CHANGES, step_ms=WITHIN_MS // CHANGES + 1)) is None


def test_a_copy_that_reboots_is_still_found() -> None:
    assert verdict(at("ababacabababab")) == ("a", "b")


@settings(max_examples=400, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=12), st.data())
def test_reboots_and_births_that_come_late_raise_nothing(lengths: list[int], data: st.DataObject) -> None:
    boots = [chr(97 + number) for number, length in enumerate(lengths) for _ in range(length)]
    late = data.draw(st.lists(st.integers(0, MOST_LATE), min_size=len(boots), max_size=len(boots)))
    # Each is overtaken by what was sent up to so many places after it.
    order = sorted(range(len(boots)), key=lambda index: (index + late[index], index))
    arrived = at("".join(boots[index] for index in order), step_ms=1)
    for end in range(1, len(arrived) + 1):
        assert verdict(arrived[:end]) is None
