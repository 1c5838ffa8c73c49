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
    """A running server. Copying a store is quicker than migrating it."""

    server: Postgres
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.server.execute(f"CREATE DATABASE {_TEMPLATE}")
        Store(self.server.url(_TEMPLATE)).close()

    def fresh(self) -> str:
        """Give the url of a new store, and drop the one before: hundreds would fill the disk."""
        import psycopg  # the server runs, so it is here

        number = next(self.numbers)
        where = self.server.url("postgres").replace("+psycopg", "")
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS store_{number - 1} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE store_{number} TEMPLATE {_TEMPLATE} STRATEGY FILE_COPY")
        return self.server.url(f"store_{number}")


def running_cluster() -> Iterator[Cluster]:
    """Run one, or skip and say what is missing."""
    try:
        with postgres(durable=False) as server:
            yield Cluster(server)
    except NoPostgresError as error:
        pytest.skip(str(error))
