"""The guess of what tokens will cost."""

import pytest
import torch

from export.train.rate import TokenRate

PLANES = 6


def test_bits_are_those_of_a_distribution_over_all_tokens() -> None:
    rate = TokenRate(PLANES)
    tokens = torch.randint(-2, 3, (1, PLANES, 4, 4), generator=torch.Generator().manual_seed(0)).float()
    shares = [0.5 ** rate(torch.full_like(tokens, float(value)), tokens) for value in range(-40, 41)]
    assert torch.stack(shares).sum(0).detach().flatten().tolist() == pytest.approx([1.0] * 96, abs=0.02)


def test_fitted_bits_come_near_the_entropy() -> None:
    generator = torch.Generator().manual_seed(0)
    rate = TokenRate(PLANES)
    optimiser = torch.optim.Adam(rate.parameters(), 0.03)
    shares = torch.tensor([0.05, 0.1, 0.7, 0.1, 0.05])
    entropy = -(shares * shares.log2()).sum().item()
    for _ in range(200):
        tokens = torch.multinomial(shares, 16 * PLANES * 16, replacement=True, generator=generator)
        tokens = tokens.reshape(16, PLANES, 4, 4).float() - 2
        bits = rate(tokens, tokens).mean()
        optimiser.zero_grad()
        bits.backward()
        optimiser.step()
    assert entropy - 0.02 < bits.item() < entropy + 0.25


def test_a_busy_neighbourhood_makes_large_tokens_cheaper() -> None:
    rate = TokenRate(PLANES)
    calm, busy = torch.zeros(1, PLANES, 4, 4), torch.full((1, PLANES, 4, 4), 3.0)
    large = torch.full_like(calm, 3.0)
    assert rate(large, busy)[0, 3].mean().item() < rate(large, calm)[0, 3].mean().item()
