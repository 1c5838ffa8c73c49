"""One authority for all attacks; broker and store are new for each file of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundles import write_bundle
from tests.security.stage import Scene, playing, staged
from tests.security.world import World, make_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder: Path = tmp_path_factory.mktemp("world")
    bundle = folder / "bundle"
    bundle.mkdir()
    return make_world(folder, write_bundle(bundle))


@pytest.fixture(scope="module")
def scene(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with staged(world, tmp_path_factory.mktemp("stage")) as stage, playing(stage) as playing_scene:
        yield playing_scene
