"""What the tests of retention share."""

from pathlib import Path

import pytest

from cloud.store import Store
from tests.cloud.retention.archive import Archive
from wire.bundle import Bundle


@pytest.fixture
def archive(any_store: Store, tmp_path: Path, bundle: Bundle) -> Archive:
    return Archive(any_store, tmp_path / "objects", bundle)
