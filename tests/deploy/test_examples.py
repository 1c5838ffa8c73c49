"""The example settings are settings, and they name things that are here."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from msgspec import Struct
from msgspec.structs import fields, replace

from cloud import config as cloud_config
from cloud.config_render import Render
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


def test_the_cloud_example_mentions_every_setting() -> None:
    mentioned, section = set(), ""
    for line in (DEPLOY / "cloud.example.toml").read_text("utf-8").splitlines():
        if head := re.match(r"(?:# )?\[+([a-z.]+)\]", line):
            mentioned.add(head[1])
            section = re.sub(r"^receiver\..*", "receiver", head[1])  # by role and camera: the same keys
        elif key := re.match(r"(?:# )?(\w+) = ", line):
            mentioned.add(f"{section}.{key[1]}")
    mentioned |= {f"receiver.{each.name}" for each in fields(Render)}  # "the same keys", it says
    assert set(settings(cloud_config.Config)) - mentioned == set()


def settings(of: type[Struct], section: str = "") -> Iterator[str]:
    """Name what a file may set: broker.host, serve.rates.burst."""
    for each in fields(of):
        name = f"{section}.{each.encode_name}".lstrip(".")
        below = [kind for kind in (each.type, *get_args(each.type)) if is_struct(kind)]
        if below and issubclass(of, below[0]):
            continue  # a table of a table has the same keys
        if below:
            yield from settings(below[0], name)
        else:
            yield name


def is_struct(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)
