"""How long to wait before trying again."""

import random


class Backoff:
    """Doubles from `first_s` up to `limit_s`, each delay shortened by up to half at random.

    The jitter keeps a fleet that lost its broker from coming back in one moment.
    """

    def __init__(self, first_s: float = 0.5, limit_s: float = 30.0, seed: int | None = None) -> None:
        self._first_s = first_s
        self._limit_s = limit_s
        self._next_s = first_s
        self._random = random.Random(seed)  # noqa: S311 - spreads load, guards nothing

    def next_delay_s(self) -> float:
        delay_s, self._next_s = self._next_s, min(self._next_s * 2, self._limit_s)
        return delay_s * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        self._next_s = self._first_s
