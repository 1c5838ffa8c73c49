"""What the tests of the edge share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.spool import Spool
from mirage.demo.broker import LoopbackBroker
from tests.edge.cloud import Cloud
from tests.edge.sealing import Secrets


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LoopbackBroker]:
    """Run a broker that can be killed and started again."""
    folder = tmp_path / "broker"
    folder.mkdir()
    killable = LoopbackBroker(folder)
    killable.start()
    yield killable
    killable.stop()


@pytest.fixture
def cloud(broker: LoopbackBroker) -> Iterator[Cloud]:
    """Listen and acknowledge everything."""
    subscriber = Cloud(broker.port)
    yield subscriber
    subscriber.close()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool.db")
    yield opened
    opened.close()


@pytest.fixture
def secrets() -> Secrets:
    return Secrets()
