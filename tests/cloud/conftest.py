"""What the tests of the cloud share."""

import gc
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.store import Store
from tests.bundles import write_bundle
from tests.cloud.desk import Desk
from tests.cloud.sample import Device
from tests.postgres import Cluster, running_cluster
from tests.s3 import S3, running_s3
from wire.bundle import Bundle


@pytest.fixture(autouse=True, scope="module")
def _applications_end() -> Iterator[None]:
    """Let go of 80 applications, each with all that it serves, that FastAPI remembers the functions of."""
    yield
    models = sys.modules.get("fastapi.dependencies.models")
    caches = [each for each in vars(models).values() if hasattr(each, "cache_clear")] if models else []
    if any(each.cache_info().currsize for each in caches):
        for each in caches:
            each.cache_clear()
        gc.collect()


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder: Path = tmp_path_factory.mktemp("bundle")
    return Bundle.load(write_bundle(folder), "cloud")


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrate one store: copying it is quicker than migrating another."""
    path: Path = tmp_path_factory.mktemp("store") / "store.db"
    Store(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def store(tmp_path: Path, empty_store: Path) -> Iterator[Store]:
    shutil.copy(empty_store, tmp_path / "store.db")
    opened = Store(f"sqlite:///{tmp_path}/store.db")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Run PostgreSQL, or skip."""
    yield from running_cluster()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """Run an S3 server, or skip."""
    with running_s3(tmp_path_factory.mktemp("s3") / "log") as running:
        yield running


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a new place for objects of either kind, where any process of this test reaches it."""
    if request.param == "folder":
        return str(tmp_path / "objects")
    s3: S3 = request.getfixturevalue("s3")
    return s3.place(monkeypatch)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path, empty_store: Path) -> str:
    """Make a new store of either kind; there may be other connections to it."""
    if request.param == "sqlite":
        shutil.copy(empty_store, tmp_path / "store.db")
        return f"sqlite:///{tmp_path}/store.db"
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.fresh()


@pytest.fixture
def any_store(store_url: str) -> Iterator[Store]:
    """Open a store of either kind."""
    opened = Store(store_url)
    yield opened
    opened.close()


@pytest.fixture
def desk(store: Store, bundle: Bundle) -> Desk:
    return Desk(store, [bundle])


@pytest.fixture
def device(bundle: Bundle) -> Device:
    return Device(bundle)
