"""Whether a device keeps within its budget: what it says that it sent, judged without its buckets.

Uplink --admits? spent--> MeteredBudget (the agent's own Budget) --every byte, and when--> Overrun
"""

import math
from collections import Counter

from edge.allowance import Limits, Purpose, Standing, depths, month_rate
from edge.budget import Budget


class Overrun:
    """By how much any stretch of time exceeds a burst and a rate; 0 if none does.

    The most that the sum, less what the rate has allowed by then, has risen from any point on.
    """

    def __init__(self, bytes_per_s: float, burst_bytes: float) -> None:
        self._rate = bytes_per_s
        self._burst_bytes = burst_bytes
        self._balance = self._most = 0.0
        self._last_s: float | None = None

    def note(self, size: int, now_s: float) -> None:
        """Count what was sent; times ascend."""
        passed_s = 0.0 if self._last_s is None else max(now_s - self._last_s, 0.0)
        self._last_s = now_s
        self._balance = max(self._balance - passed_s * self._rate, 0.0) + size
        self._most = max(self._most, self._balance)

    @property
    def bytes(self) -> float:
        return max(self._most - self._burst_bytes, 0.0)


class MeteredBudget(Budget):
    """The agent's budget, and an account of its own beside it. With `asks` false nothing is ever refused."""

    def __init__(self, limits: Limits, standing: Standing, *, asks: bool = True) -> None:
        super().__init__(limits, standing)
        self.sent = Counter[str]()
        self._asks = asks
        second, month = depths(limits, standing)
        self._overruns = list[Overrun]()
        if limits.bytes_per_s is not None:
            self._overruns.append(Overrun(limits.bytes_per_s, second))
        if limits.bytes_per_month is not None:
            self._overruns.append(Overrun(month_rate(limits.bytes_per_month), month))

    @property
    def overrun_bytes(self) -> float:
        return max((each.bytes for each in self._overruns), default=0.0)

    def admits(self, purpose: Purpose, size: int, now_s: float) -> bool:
        return super().admits(purpose, size, now_s) or not self._asks

    def most(self, purpose: Purpose) -> float:
        return super().most(purpose) if self._asks else math.inf

    def spent(self, purpose: Purpose, size: int, now_s: float) -> None:
        super().spent(purpose, size, now_s)
        self.sent[purpose.name.lower()] += size
        for each in self._overruns:
            each.note(size, now_s)
