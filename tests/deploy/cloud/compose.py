"""A Compose file as the engine would see it: variables filled in, mounts taken apart."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
CLOUD = ROOT / "deploy" / "cloud"
NAMES = {"MIRAGE_HOST": "mqtt.example.com", "MIRAGE_SITE": "mirage.example.com"}
_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?:(:-|:\?)([^}]*))?\})")


@dataclass(frozen=True)
class Mount:
    """A volume's name or a file of the repository, and where it is in the container."""

    source: str
    target: str
    read_only: bool

    @property
    def is_file(self) -> bool:
        return self.source.startswith(".")

    @classmethod
    def parse(cls, text: str) -> "Mount":
        source, target, *mode = text.split(":")
        return cls(source, target, mode == ["ro"])


def filled(text: str, variables: Mapping[str, str]) -> str:
    """Put variables in, as Compose does; KeyError for one that must be set."""

    def value(match: re.Match[str]) -> str:
        name, kind, default = match.groups()
        if name is None:
            return "$"
        if kind == ":-":
            return variables.get(name) or str(default)
        return variables[name]

    return _VARIABLE.sub(value, text)


def compose(name: str = "compose.yaml", **variables: str) -> dict[str, Any]:
    """Read one of the files; `variables` as .env would set them."""
    text = (CLOUD / name).read_text("utf-8")
    found: dict[str, Any] = yaml.safe_load(filled(text, NAMES | variables))
    return found


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def mounts(service: Mapping[str, Any]) -> list[Mount]:
    return [Mount.parse(text) for text in service.get("volumes", [])]
