"""What the tests of rollouts share."""

from pathlib import Path

import pytest

from tests.bundles import write_bundle
from wire.bundle import Bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder: Path = tmp_path_factory.mktemp("bundle")
    return Bundle.load(write_bundle(folder), "cloud")
