"""Fleets that are told to update."""

import pytest

from cloud.store import Store
from tests.cloud.rollouts.updating import Make, fleet_of
from wire.bundle import Bundle


@pytest.fixture
def make(any_store: Store, bundle: Bundle) -> Make:
    return lambda **ends: fleet_of(any_store, bundle, **ends)


@pytest.fixture
def make_here(store: Store, bundle: Bundle) -> Make:
    """Make a fleet on SQLite alone, where the database makes no difference."""
    return lambda **ends: fleet_of(store, bundle, **ends)
