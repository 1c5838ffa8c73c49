"""Verdicts on made-up commands."""

from mirage.bench.quality.commands import Verdict


def verdict(kind: str, *, right: bool, speed: float | None = None) -> Verdict:
    return Verdict(kind, "", right, speed, None, 0, 0, 0)
