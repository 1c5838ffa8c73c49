"""How long something took, many times over."""

import statistics
from collections.abc import Mapping, Sequence


def summary(took_s: Sequence[float]) -> Mapping[str, float]:
    """Give how many there are, their median, the value that 95 % are not above, and the most; in seconds."""
    return {
        "samples": len(took_s),
        "s_median": statistics.median(took_s),
        "s_p95": p95(took_s),
        "s_most": max(took_s),
    }


def p95(values: Sequence[float]) -> float:
    """Give the smallest of `values`, at least one, that 95 % of them are not above."""
    ordered = sorted(values)
    return ordered[-(-len(ordered) * 95 // 100) - 1]
