"""PostgreSQL for tests: one server for all tests of a process, and an empty, migrated store for each.

def test_x(postgres_url: str) -> None: ...     # skipped where PostgreSQL or its driver is not installed
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest

from cloud.store import Store
from mirage.bench.cloud.postgres import NoPostgresError, Postgres, postgres

_TEMPLATE = "migrated"


@dataclass
class Cluster:
    """A running server; `fresh` gives the url of a new store. Copying one is quicker than migrating it."""

    server: Postgres
    numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.server.execute(f"CREATE DATABASE {_TEMPLATE}")
        Store(self.server.url(_TEMPLATE)).close()

    def fresh(self) -> str:
        name = f"store_{next(self.numbers)}"
        self.server.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        return self.server.url(name)


def running_cluster() -> Iterator[Cluster]:
    """Run one, or skip and say what is missing."""
    try:
        with postgres(durable=False) as server:
            yield Cluster(server)
    except NoPostgresError as error:
        pytest.skip(str(error))
