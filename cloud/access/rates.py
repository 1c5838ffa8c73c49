"""How often each caller may ask: token buckets, and what of them answers say. Pure; times are arguments.

    RateLimit-Policy: "requests";q=500;w=10       500 at once, filled up again within 10 s
    RateLimit: "requests";r=499;t=1               499 are left, one more in 1 s at the latest

as draft-ietf-httpapi-ratelimit-headers-11 writes them.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from math import ceil

from cloud.limits import Bucket

MOST = 16_384  # callers remembered; whoever asked longest ago is forgotten, and has its burst again


@dataclass(frozen=True, slots=True)
class Quota:
    """So many over time, and at once after a pause."""

    name: str
    rate_per_s: float
    burst: float

    @property
    def words(self) -> str:
        """Give it as people read it."""
        return f"{self.rate_per_s * 60:g} a minute"

    @property
    def field(self) -> str:
        """Give it as RateLimit-Policy has it."""
        return f'"{self.name}";q={int(self.burst)};w={max(1, ceil(self.burst / self.rate_per_s))}'


@dataclass(frozen=True, slots=True)
class Reading:
    """What is left of a quota. If nothing is, `reset_s` tells when there is again."""

    quota: Quota
    passed: bool
    remaining: int
    reset_s: int

    @property
    def field(self) -> str:
        """Give it as RateLimit has it."""
        return f'"{self.quota.name}";r={self.remaining};t={self.reset_s}'


class Meter:
    """Counts what callers take of one quota each; safe to share between threads."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str, now_ms: int, amount: float = 1) -> Reading:
        """Take if there is at least one left; what is taken beyond is owed. An `amount` of 0 only looks."""
        with self._lock:
            bucket = self._bucket(key, now_ms)
            passed = bucket.holds(1, now_ms)
            if passed and amount:
                bucket.take(amount)
            remaining = max(0, int(bucket.level))
            wait_ms = bucket.wait_ms(1 if remaining == 0 else min(remaining + 1, self.quota.burst))
            return Reading(self.quota, passed, remaining, ceil(wait_ms / 1000))

    def _bucket(self, key: str, now_ms: int) -> Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self.quota.rate_per_s, self.quota.burst, now_ms)
            while len(self._buckets) > MOST:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        return bucket
