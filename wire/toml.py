"""TOML, as every process reads its settings: unknown keys are errors that name the key."""

import sys
from typing import TypeVar

import msgspec

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_Kind = TypeVar("_Kind")


class TomlError(ValueError):
    """The text is no TOML, or not what was asked for; the message names source and key."""


def parse(data: bytes, source: str) -> dict[str, object]:
    """Read a TOML document; `source` (usually a path) begins every error message."""
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        raise TomlError(f"{source}: not UTF-8 at byte {error.start}") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise TomlError(f"{source}: {error}") from error


def parse_as(data: bytes, kind: type[_Kind], source: str) -> _Kind:
    """Read a TOML document into a msgspec Struct or a dataclass, or raise TomlError.

    Give a Struct `forbid_unknown_fields`: only then is an unknown key an error.
    """
    try:
        return msgspec.convert(parse(data, source), kind)
    except msgspec.ValidationError as error:
        raise TomlError(f"{source}: {error}") from error
