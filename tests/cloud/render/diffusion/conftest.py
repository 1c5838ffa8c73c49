"""Tiny pipelines, saved once, and renderers that loaded them."""

from pathlib import Path

import pytest

from cloud.render.diffusion.renderer import DiffusionRenderer
from cloud.render.load import load_renderer
from cloud.render.renderer import Renderer
from tests.cloud.render.diffusion.studio import EMBED_DIM, diffusion_bundle
from tests.pipelines import Models, tiny_animatediff, tiny_ltx, tiny_wan
from wire.bundle import Bundle


@pytest.fixture(scope="session")
def ltx_models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return tiny_ltx(tmp_path_factory.mktemp("ltx"))


@pytest.fixture(scope="session")
def wan_models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return tiny_wan(tmp_path_factory.mktemp("wan"), "flf2v")


@pytest.fixture(scope="session")
def animatediff_models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return tiny_animatediff(tmp_path_factory.mktemp("animatediff"), EMBED_DIM)


@pytest.fixture(scope="session")
def ltx_bundle(tmp_path_factory: pytest.TempPathFactory, ltx_models: Models) -> Bundle:
    return diffusion_bundle(tmp_path_factory.mktemp("bundle"), "ltx", ltx_models)


@pytest.fixture(scope="session")
def ltx(ltx_bundle: Bundle) -> Renderer:
    return load_renderer(ltx_bundle, threads=1)


@pytest.fixture(scope="session")
def wan(tmp_path_factory: pytest.TempPathFactory, wan_models: Models) -> Renderer:
    folder: Path = tmp_path_factory.mktemp("bundle")
    return DiffusionRenderer(diffusion_bundle(folder, "wan", wan_models, frames=5, fps=4.0))


@pytest.fixture(scope="session")
def animatediff(tmp_path_factory: pytest.TempPathFactory, animatediff_models: Models) -> Renderer:
    folder: Path = tmp_path_factory.mktemp("bundle")
    return DiffusionRenderer(diffusion_bundle(folder, "animatediff", animatediff_models, frames=4))
