"""Fits the tagger: logistic regression of words on what EfficientNet-Lite0 makes of captioned pictures.

The decoder must learn how far tags can be trusted on scenes of another kind than those trained on, so
every picture is also tagged by a fit that has seen no picture of its source.
"""

from dataclasses import dataclass

import torch
from rich.progress import track
from torch import Tensor
from torch.nn import functional

from models.tiny.captioner import COMPONENTS, FEATURES, Tagger

FOLDS = 4
FIT_STEPS = 120
FIT_BATCH = 768
FIT_RATE = 0.05
DECAY = 0.03
FEWEST_USES, FEWEST_SOURCES = 12, 2  # views and sources that must show a word before its look is learned
NEVER = -7.0  # log-odds of a word that no class stands for and that was not learned


@dataclass(frozen=True, slots=True)
class Glances:
    """What was glanced at in N pictures, which tags their captions have, and their sources."""

    features: Tensor  # (N, FEATURES)
    probabilities: Tensor  # (N, CLASSES)
    flow: Tensor  # (N, FLOW)
    tags: Tensor  # bool (N, tags)
    sources: Tensor  # int64 (N,)

    def at(self, rows: Tensor) -> "Glances":
        return Glances(
            self.features[rows],
            self.probabilities[rows],
            self.flow[rows],
            self.tags[rows],
            self.sources[rows],
        )


def source_weights(sources: Tensor) -> Tensor:
    """Weights (N,) of mean 1 by which a source counts with the square root of its size."""
    _, place, sizes = sources.unique(return_inverse=True, return_counts=True)
    weights = sizes[place].float().rsqrt()
    return weights / weights.mean()


def fit(tagger: Tagger, seen: Glances, named: Tensor) -> None:
    """Fit `tagger` in place. `named` (CLASSES, tags) says which words stand for a class, in halves."""
    weights = source_weights(seen.sources)
    inputs = torch.cat([seen.features, seen.flow], 1)
    tagger.named.copy_(named)
    tagger.centre.copy_(inputs.mean(0))
    centred = seen.features - tagger.centre[:FEATURES]
    _, basis = torch.linalg.eigh((centred * weights[:, None]).T @ centred)
    tagger.basis.copy_(basis[:, -COMPONENTS:])
    tagger.spread.fill_(1)
    tagger.spread.copy_(tagger.components(seen.features, seen.flow).std(0).clamp_min(0.05))
    _fit_words(tagger, seen, weights)


def _fit_words(tagger: Tagger, seen: Glances, weights: Tensor) -> None:
    classed = (tagger.named.amax(0) > 0).float()
    sources = functional.one_hot(seen.sources).float()
    uses = seen.tags.float()
    learned = ((uses.sum(0) >= FEWEST_USES) & (((sources.T @ uses) > 0).sum(0) >= FEWEST_SOURCES)).float()
    share = (uses * weights[:, None]).mean(0).clamp(1e-4, 0.9)
    first = torch.where(learned > 0, share.logit() * (1 - classed), NEVER * (1 - classed))
    prior = tagger.prior(seen.probabilities)
    looks = tagger.components(seen.features, seen.flow)
    trust, bias = torch.zeros_like(first), torch.zeros_like(first)
    common = torch.tensor(
        [1.0, 0.0], device=first.device
    )  # trust and bias of all words that classes stand for
    weight = torch.zeros_like(tagger.weight)
    optimiser = torch.optim.Adam([p.requires_grad_() for p in (trust, bias, weight, common)], FIT_RATE)
    generator = torch.Generator().manual_seed(0)
    for step in range(FIT_STEPS):
        optimiser.param_groups[0]["lr"] = FIT_RATE * (1 - step / FIT_STEPS)
        rows = torch.multinomial(weights.cpu(), FIT_BATCH, replacement=True, generator=generator)
        rows = rows.to(weights.device)
        odds = (common[0] + trust) * prior[rows] + common[1] * classed + first + bias + looks[rows] @ weight
        wrong = functional.binary_cross_entropy_with_logits(odds, uses[rows], reduction="none")
        drift = trust.square().sum() + 0.1 * bias.square().sum() + weight.square().sum()
        loss = (wrong * learned).sum(1).mean() + DECAY * drift
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        tagger.trust.copy_(((common[0] + trust * learned) * classed).clamp_min(0))
        tagger.bias.copy_(common[1] * classed + first + bias * learned)
        tagger.weight.copy_(weight * learned)


def odds_of_strangers(tagger: Tagger, seen: Glances, named: Tensor) -> Tensor:
    """Log-odds (N, tags) of every picture by a fit without its source; `tagger` is overwritten."""
    names, sizes = (each.cpu() for each in seen.sources.unique(return_counts=True))
    fold_of = torch.zeros(int(names.max()) + 1, dtype=torch.int64)
    full = torch.zeros(FOLDS)
    for place in sizes.argsort(descending=True).tolist():
        smallest = int(full.argmin())
        fold_of[names[place]] = smallest
        full[smallest] += sizes[place]
    folds = fold_of[seen.sources.cpu()].to(seen.sources.device)
    odds = torch.empty(seen.tags.shape, device=seen.features.device)
    for fold in track(range(FOLDS), "tags of pictures by fits without their sources"):
        inside = folds == fold
        if inside.any() and not inside.all():
            fit(tagger, seen.at(~inside), named)
            rest = seen.at(inside)
            odds[inside] = tagger(rest.features, rest.probabilities, rest.flow)
        elif inside.any():
            fit(tagger, seen, named)
            odds[inside] = tagger(seen.features, seen.probabilities, seen.flow)
    return odds
