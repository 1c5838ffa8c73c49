"""Ways that bend: a number over the time of a segment, as its end and how its knots leave the straight line.

4 legs     start ----- knot ----- knot ----- knot ----- end        a knot's bend is how far it is off
round                    2          1          2                   the middle between its neighbours
"""

from collections.abc import Callable, Iterator, Sequence
from math import isfinite

LEGS = (1, 2, 4, 8)  # into how many pieces of equal time a way may be cut
LARGEST_BEND = 127


def along(way: Sequence[float], time: float) -> float:
    """Interpolate two or more numbers spread evenly over the times 0..1; beyond, go on as at the ends.

    Only for as long as the way is: what is told of one segment says little of others.
    """
    place = min(max(time, -1.0), 2.0) * (len(way) - 1)
    leg = min(max(int(place), 0), len(way) - 2)
    return way[leg] + (way[leg + 1] - way[leg]) * (place - leg)


def bends_of(via: Sequence[float], end: float, unit: float, legs: int) -> list[int]:
    """Measure the bends of a way from 0 by the knots `via`, if there are any, to `end`, round by round.

    Raises ValueError for a knot that is no number.
    """
    if not via:
        return [0] * (legs - 1)
    if not all(map(isfinite, via)):
        raise ValueError(f"a way has a knot that is not finite: {list(via)}")

    def measure(knot: int, middle: float) -> int:
        return round(min(max((via[knot - 1] - middle) / unit, -LARGEST_BEND), LARGEST_BEND))

    return _walk(end, unit, legs, measure)[1]


def via_of(bends: Sequence[int], end: float, unit: float) -> list[float]:
    """Give the knots of a way, in order of time."""
    left = iter(bends)
    return _walk(end, unit, len(bends) + 1, lambda *_: next(left))[0]


def fewest(ways: list[list[int]]) -> list[list[int]]:
    """Leave out the last rounds of bends as long as there are none in them."""
    while any(ways) and not any(any(bends[len(bends) // 2 :]) for bends in ways):
        ways = [bends[: len(bends) // 2] for bends in ways]
    return ways


def rounds(legs: int) -> Iterator[slice]:
    """Say which of the bends of a way each round holds."""
    for number in range(LEGS.index(legs)):
        yield slice(2**number - 1, 2 ** (number + 1) - 1)


def _walk(
    end: float, unit: float, legs: int, bend: Callable[[int, float], int]
) -> tuple[list[float], list[int]]:
    """Let `bend` say each knot's bend, told the middle; give the knots in order of time, and the bends."""
    way, bends = [0.0] * legs + [end], list[int]()
    step = legs // 2
    while step:
        for knot in range(step, legs, 2 * step):
            middle = (way[knot - step] + way[knot + step]) / 2
            bends.append(bend(knot, middle))
            way[knot] = middle + bends[-1] * unit
        step //= 2
    return way[1:-1], bends
