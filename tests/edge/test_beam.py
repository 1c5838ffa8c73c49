"""Beams: the best by mean log probability, and always the same of equals."""

import numpy as np
import pytest

from edge.beam import Beams, log_softmax

END = 0


def logits(*rows: tuple[float, ...]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Log probabilities as a graph might give them, off by a constant."""
    return np.array(rows, np.float32) + 3


def test_a_longer_sentence_is_not_worse_for_being_longer() -> None:
    """Ending at once has log probability -1.0; going on costs -0.9 and -0.8, which is more in sum."""
    beams = Beams(2, END, max_tokens=4)
    likely = np.log(1 - np.exp(-1.0))
    assert beams.advance(logits((-1.0, likely, -50.0)))
    beams.advance(logits((-0.001, -8.0, -9.0), (-0.001, -8.0, -9.0)))
    assert beams.best() == [1]


def test_of_equals_the_first_is_taken() -> None:
    beams = Beams(3, END, max_tokens=5)
    assert beams.advance(logits((-9.0, 1.0, 1.0, 1.0, 1.0)))
    assert beams.tokens.tolist() == [1, 2, 3]
    same = (-9.0, 1.0, 1.0, 1.0, 1.0)
    assert beams.advance(logits(same, same, same))
    assert (beams.origins.tolist(), beams.tokens.tolist()) == ([0, 0, 0], [1, 2, 3])


def test_the_cache_follows_the_sentences() -> None:
    beams = Beams(2, END, max_tokens=5)
    beams.advance(logits((-9.0, 0.2, 0.0)))
    assert beams.advance(logits((-9.0, -1.0, -1.0), (-9.0, 4.0, -4.0)))
    assert (beams.origins[0], beams.tokens[0]) == (1, 1)


def test_the_search_ends_when_no_open_sentence_can_win() -> None:
    beams = Beams(2, END, max_tokens=3)
    assert not beams.advance(logits((30.0, 0.0, 0.0)))
    assert beams.best() == []


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_search_ends_at_the_limit(count: int) -> None:
    beams = Beams(count, END, max_tokens=3)
    random = np.random.default_rng(0)
    steps = 1
    while beams.advance(random.normal(0, 1, (count, 9)).astype(np.float32) - 20 * (np.arange(9) == END)):
        steps += 1
    assert steps == 3
    assert len(beams.best()) == 3


def test_log_softmax_is_that_of_numbers_of_any_size() -> None:
    values = np.array([[1e4, 1e4 - 1], [-1e4, -1e4]], np.float32)
    expected = [[-np.log1p(np.exp(-1)), -1 - np.log1p(np.exp(-1))], [-np.log(2), -np.log(2)]]
    assert np.allclose(log_softmax(values), expected)
    assert np.allclose(log_softmax(values.astype(np.float16))[1], expected[1])
