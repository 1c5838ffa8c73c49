"""Fitting the tagger: words are learned from looks, and strangers are judged without their source."""

import pytest
import torch
from torch import Tensor

from export.train.tagging import Glances, fit, odds_of_strangers, source_weights
from models.tiny.captioner import CLASSES, FEATURES, FLOW, Tagger

DOG, RED, HOUSE = range(3)
ROWS = 240


@pytest.fixture(scope="module")
def named() -> Tensor:
    table = torch.zeros(CLASSES, 3, dtype=torch.uint8)
    table[207, DOG] = 2
    return table


@pytest.fixture(scope="module")
def seen() -> Glances:
    """Six sources; red shows in the features, dog in the classes; one house, which one source alone has."""
    random = torch.Generator().manual_seed(0)
    features = torch.randn(ROWS, FEATURES, generator=random)
    sources = torch.arange(ROWS) % 6
    tags = torch.zeros(ROWS, 3, dtype=torch.bool)
    tags[:, RED] = torch.rand(ROWS, generator=random) < 0.3
    tags[:, DOG] = torch.rand(ROWS, generator=random) < 0.3
    tags[:, HOUSE] = sources == 0
    features[:, :40] += 3.0 * tags[:, RED, None]
    features[:, 40:80] += 3.0 * tags[:, HOUSE, None]
    probabilities = torch.full((ROWS, CLASSES), 1e-4)
    probabilities[:, 207] = tags[:, DOG] * 0.8
    return Glances(features, probabilities, torch.zeros(ROWS, FLOW), tags, sources)


def right(odds: Tensor, seen: Glances, tag: int) -> float:
    return ((odds[:, tag] > 0) == seen.tags[:, tag]).float().mean().item()


def test_words_are_learned_from_looks_and_from_classes(seen: Glances, named: Tensor) -> None:
    tagger = Tagger(3)
    fit(tagger, seen, named)
    odds = tagger(seen.features, seen.probabilities, seen.flow)
    assert right(odds, seen, RED) > 0.95
    assert right(odds, seen, DOG) > 0.95


def test_a_word_of_one_source_is_not_learned(seen: Glances, named: Tensor) -> None:
    tagger = Tagger(3)
    fit(tagger, seen, named)
    assert not tagger.weight[:, HOUSE].any()
    assert tagger(seen.features, seen.probabilities, seen.flow)[:, HOUSE].max() < -5


def test_strangers_are_tagged_without_their_source(seen: Glances, named: Tensor) -> None:
    odds = odds_of_strangers(Tagger(3), seen, named)
    assert right(odds, seen, RED) > 0.85
    changed = Glances(seen.features, seen.probabilities, seen.flow, seen.tags.clone(), seen.sources)
    changed.tags[seen.sources == 2, RED] = ~changed.tags[seen.sources == 2, RED]
    again = odds_of_strangers(Tagger(3), changed, named)
    assert torch.equal(odds[seen.sources == 2], again[seen.sources == 2])
    assert not torch.equal(odds, again)


def test_a_source_counts_with_the_root_of_its_size() -> None:
    weights = source_weights(torch.tensor([0] * 4 + [1]))
    assert (weights[4] / weights[0]).item() == pytest.approx(2)
    assert weights.mean().item() == pytest.approx(1)
