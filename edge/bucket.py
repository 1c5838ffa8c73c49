"""A byte budget: tokens flow in at a steady rate, and what is sent takes them out. Pure: time is an argument.

level   burst ----.          never more than `burst_bytes`
          |        '. backlog goes while there are enough
          0 --------'.---    live always goes, and may make debts
       -burst --------'-     but never larger ones
"""


class Bucket:
    """Of `bytes_per_s` on average; without a rate, everything is admitted.

    Debts end at `burst_bytes`, so that a busy hour does not hold the backlog up for the rest of the day.
    """

    def __init__(self, bytes_per_s: float | None, burst_bytes: int) -> None:
        self._rate = bytes_per_s
        self._burst_bytes = burst_bytes
        self._level = float(burst_bytes)
        self._filled_s: float | None = None

    def admits(self, size: int, now_s: float) -> bool:
        """Tell whether `size` bytes may go that could wait; more than the burst takes a full bucket."""
        if self._rate is None:
            return True
        self._fill(self._rate, now_s)
        return self._level >= min(size, self._burst_bytes)

    def take(self, size: int, now_s: float) -> None:
        """Count what was sent, admitted or not."""
        if self._rate is not None:
            self._fill(self._rate, now_s)
            self._level = max(self._level - size, -float(self._burst_bytes))

    def _fill(self, rate: float, now_s: float) -> None:
        filled_s = now_s if self._filled_s is None else self._filled_s
        self._filled_s = max(filled_s, now_s)
        self._level = min(self._level + (self._filled_s - filled_s) * rate, float(self._burst_bytes))
