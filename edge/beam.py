"""Beam search: which of the sentences that were begun are worth going on with. Pure bookkeeping.

    score of a sentence = sum of log probabilities / number of its tokens (the end token counts)

So a longer sentence is not worse for being longer; a sum alone prefers silence. Where scores are equal, the
lower beam and then the lower token wins: the same logits give the same words. What has a logit of minus
infinity is never said: a beam may go on with it for want of others, but no longer wins.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Finished:
    """A sentence that has ended, without its end token."""

    ids: tuple[int, ...]
    score: float


class Beams:
    """The `count` best sentences that are still open, and the best that ended.

    Each `advance` takes logits (count, V) of the next token. `tokens` are what to feed next, and `origins`
    from which beam each of them goes on, so that the decoder can put its cache in that order.
    """

    def __init__(self, count: int, end: int, max_tokens: int) -> None:
        self._end = end
        self._max_tokens = max_tokens
        self._ids: list[tuple[int, ...]] = [()] * count
        self._sums = np.full(count, -np.inf)
        self._sums[0] = 0.0  # all beams begin alike: only the first may branch
        self._best: Finished | None = None
        self.tokens = np.zeros(count, np.int64)
        self.origins = np.arange(count)

    @property
    def said(self) -> list[tuple[int, ...]]:
        """The sentences that are open."""
        return self._ids

    def advance(self, logits: Logits) -> bool:
        """Lengthen every open sentence by a token; False when no open one can still win."""
        sums = self._sums[:, None] + log_softmax(logits)
        size = sums.shape[1]
        chosen: list[tuple[int, int, float]] = []
        for flat in _largest(sums.ravel(), 2 * len(self._ids)):  # half of them may end here
            beam, token = divmod(int(flat), size)
            total = float(sums[beam, token])
            if token == self._end:
                self._finish(self._ids[beam], total)
            elif len(chosen) < len(self._ids):
                chosen.append((beam, token, total))
        self._ids = [(*self._ids[beam], token) for beam, token, _ in chosen]
        self.origins = np.array([beam for beam, _, _ in chosen])
        self.tokens = np.array([token for _, token, _ in chosen], np.int64)
        self._sums = np.array([total for _, _, total in chosen])
        return self._open()

    def best(self) -> list[int]:
        """Give the best sentence: one that ended, or one that was cut off and is better still."""
        top = int(np.argmax(self._sums))
        length = len(self._ids[top])
        if self._best is None or (length >= self._max_tokens and self._sums[top] / length > self._best.score):
            return list(self._ids[top])
        return list(self._best.ids)

    def _finish(self, ids: tuple[int, ...], total: float) -> None:
        score = total / (len(ids) + 1)
        if np.isneginf(score):
            return  # it has no chance at all, not even for want of others
        if self._best is None or score > self._best.score:
            self._best = Finished(ids, score)

    def _open(self) -> bool:
        if len(self._ids[0]) >= self._max_tokens:
            return False
        # Sums only fall, so this is the most that an open sentence can come to: it stays as likely as it is.
        attainable = float(self._sums.max()) / (self._max_tokens + 1)
        return self._best is None or attainable > self._best.score


def log_softmax(logits: Logits) -> NDArray[np.float64]:
    """Log probabilities (..., V) of logits (..., V)."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def _largest(values: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Find where the `count` largest values are, largest first; of equal ones the first first."""
    count = min(count, values.size)
    threshold = np.partition(values, values.size - count)[values.size - count]
    found = np.flatnonzero(values >= threshold)
    return found[np.argsort(-values[found], kind="stable")][:count]
