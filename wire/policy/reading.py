"""Reads tables from a TOML document, or from the tables of one that holds more."""

from collections.abc import Mapping

import msgspec

from wire.policy.errors import PolicyError
from wire.policy.presets import PRESETS
from wire.policy.tables import Network, Receiver, Sender, Tables, check_keys, convert
from wire.toml import TomlError, parse


def parse_tables(data: bytes, source: str) -> Tables:
    """Read a document that has [sender], [network], [receiver] and nothing else, or raise PolicyError."""
    try:
        document = parse(data, source)
    except TomlError as error:
        raise PolicyError(str(error)) from error
    check_keys(document, Tables, "", source)
    return tables_of(document, source)


def tables_of(document: Mapping[str, object], source: str) -> Tables:
    """Pick the three tables of a document that may hold more."""
    return Tables(
        sender_of(document.get("sender", {}), source),
        convert(document.get("network", {}), Network, "network", source),
        convert(document.get("receiver", {}), Receiver, "receiver", source),
    )


def sender_of(raw: object, source: str) -> Sender:
    """Read [sender], and what its preset says beside it."""
    return convert(with_preset(raw), Sender, "sender", source)


def with_preset(raw: object) -> object:
    """Give a [sender] table, as TOML gave it, in which what the preset says is spelled out."""
    if not isinstance(raw, dict) or raw.get("preset") not in PRESETS:
        return raw  # an unknown name is refused where the table is read
    known = msgspec.to_builtins(PRESETS[raw["preset"]].sender)
    demands = raw.get("receiver", {})
    merged = known | raw
    if isinstance(demands, dict):
        merged["receiver"] = known["receiver"] | demands
    return merged
