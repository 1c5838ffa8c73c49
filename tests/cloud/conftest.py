"""What the tests of the cloud share."""

from pathlib import Path

import pytest

from tests.cloud.sample import write_bundle
from wire.bundle import Bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder: Path = tmp_path_factory.mktemp("bundle")
    return write_bundle(folder)
