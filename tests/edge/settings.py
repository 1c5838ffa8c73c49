"""Settings files of an agent, as a user would write them."""

import json
from collections.abc import Mapping
from pathlib import Path

from edge.config import Config, load
from tests.edge.cloud import TOPICS

LAB = 'envelope = "none"'


def write_config(
    folder: Path, port: int, bundle: Path, cameras: Mapping[str, str], more: str = "", *, broker: str = LAB
) -> Path:
    """Write edge.toml for cameras (name: source); `more` is put behind it, `broker` into that section."""
    lines = [
        "[device]",
        f'tenant = "{TOPICS.tenant}"\nsite = "{TOPICS.site}"\nid = "{TOPICS.device}"',
        f'[broker]\nhost = "127.0.0.1"\nport = {port}\n{broker}',
        f"[bundle]\npath = {json.dumps(str(bundle))}",
        '[spool]\npath = "spool.db"',
    ]
    lines += [
        f"[[camera]]\nname = {json.dumps(name)}\nsource = {json.dumps(at)}" for name, at in cameras.items()
    ]
    path = folder / "edge.toml"
    path.write_text("\n".join([*lines, more]))
    return path


def config_of(
    folder: Path, port: int, bundle: Path, cameras: Mapping[str, str], more: str = "", *, broker: str = LAB
) -> Config:
    return load(write_config(folder, port, bundle, cameras, more, broker=broker))
