"""How long to wait before trying again."""

import random


class Backoff:
    """Full jitter: anything from 0 to a limit that doubles from `first_s` up to `limit_s`.

    A fleet that lost its broker in one moment comes back spread evenly over that time. (Of the jitters in
    "Exponential Backoff And Jitter", AWS Architecture Blog, 2015, the one that makes the fewest calls.)
    """

    def __init__(self, first_s: float = 0.5, limit_s: float = 30.0, seed: int | None = None) -> None:
        self._first_s = first_s
        self._limit_s = limit_s
        self._next_s = first_s
        self._random = random.Random(seed)  # noqa: S311 - spreads load, guards nothing

    def next_delay_s(self) -> float:
        most_s, self._next_s = self._next_s, min(self._next_s * 2, self._limit_s)
        return self._random.uniform(0, most_s)

    def reset(self) -> None:
        self._next_s = self._first_s
