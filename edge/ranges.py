"""A set of whole numbers that come in long runs."""

from bisect import bisect_right

MOST = 1024  # runs


class Ranges:
    """Holds runs (first, last), ascending and apart. Where there are too many, the two lowest are joined."""

    def __init__(self) -> None:
        self._runs: list[tuple[int, int]] = []

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._runs, number, key=lambda run: run[0])
        return at > 0 and number <= self._runs[at - 1][1]

    def add(self, number: int) -> None:
        """Take one more in."""
        if number in self:
            return
        at = bisect_right(self._runs, number, key=lambda run: run[0])
        first = last = number
        if at < len(self._runs) and self._runs[at][0] == number + 1:
            last = self._runs.pop(at)[1]
        if at > 0 and self._runs[at - 1][1] == number - 1:
            first = self._runs.pop(at - 1)[0]
            at -= 1
        self._runs.insert(at, (first, last))
        if len(self._runs) > MOST:
            self._runs[:2] = [(self._runs[0][0], self._runs[1][1])]
