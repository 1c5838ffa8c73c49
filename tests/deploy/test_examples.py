"""The example settings are settings, and they name things that are here."""

import re
from pathlib import Path

from msgspec.structs import replace

from cloud import config as cloud_config
from cloud.render.anchors import Anchors
from edge import config as edge_config
from wire.policy import Policy

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def test_the_edge_example_loads(tiny: Path) -> None:
    config = edge_config.load(DEPLOY / "edge.example.toml")
    assert Path(config.bundle.path).resolve() == tiny
    assert [camera.name for camera in config.camera] == ["door"]


def test_the_cloud_example_loads(tiny: Path) -> None:
    config = cloud_config.load(DEPLOY / "cloud.example.toml")
    assert [Path(path).resolve() for path in config.bundle.paths] == [tiny]
    assert config.broker.port == edge_config.load(DEPLOY / "edge.example.toml").broker.port


def test_what_the_cloud_example_only_mentions_are_settings_too() -> None:
    path = DEPLOY / "cloud.example.toml"
    mentioned = re.sub(r"^# (\w+ = |\[)", r"\1", path.read_text("utf-8"), flags=re.MULTILINE)
    config = cloud_config.parse(mentioned.encode(), path)
    render = config.render
    assert (config.broker.group, config.ray.most_workers) == ("0f3a7c", 8)
    assert [Path(anchor).name for anchor in render.anchors] == ["yard.jpg"]
    assert replace(render, anchors=()).constraints(Anchors()) == Policy(
        256, 4, 12.5, 49, 3.0, "at dusk, rain", "text, logo"
    )
