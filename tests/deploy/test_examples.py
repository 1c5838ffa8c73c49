"""The example settings are settings, and they name things that are here."""

from pathlib import Path

from cloud import config as cloud_config
from edge import config as edge_config

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def test_the_edge_example_loads(tiny: Path) -> None:
    config = edge_config.load(DEPLOY / "edge.example.toml")
    assert Path(config.bundle.path).resolve() == tiny
    assert [camera.name for camera in config.camera] == ["door"]


def test_the_cloud_example_loads(tiny: Path) -> None:
    config = cloud_config.load(DEPLOY / "cloud.example.toml")
    assert [Path(path).resolve() for path in config.bundle.paths] == [tiny]
    assert config.broker.port == edge_config.load(DEPLOY / "edge.example.toml").broker.port
