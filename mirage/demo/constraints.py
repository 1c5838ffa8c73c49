"""Constraints of a demo: one file of [sender], [network], [receiver], split into what two sides are told."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mirage.output import read_input
from wire import toml
from wire.policy.reading import parse_tables

_DEVICE, _CLOUD = ("sender", "network"), ("receiver",)


@dataclass(frozen=True, slots=True)
class Constraints:
    """TOML for the settings of the agent, and of the cloud; a second's limit, if there is one."""

    device: str = ""
    cloud: str = ""
    bytes_per_s: float | None = None


def read_constraints(path: Path) -> Constraints:
    """Read a file. Raises InputError, and PolicyError that names table and key."""
    data = read_input(path)
    tables = parse_tables(data, str(path))
    document = toml.parse(data, str(path))
    return Constraints(_written(document, _DEVICE), _written(document, _CLOUD), tables.network.bytes_per_s)


def _written(document: Mapping[str, object], names: tuple[str, ...]) -> str:
    """Write these tables; what they hold is TOML's inline."""
    return "".join(
        f"\n[{name}]\n" + "".join(f"{key} = {inline(value)}\n" for key, value in table.items())
        for name in names
        if isinstance(table := document.get(name), dict)
    )


def inline(value: object) -> str:
    """Write a value of TOML on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {inline(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return msgspec.json.encode(value).decode()
