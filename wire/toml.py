"""TOML, as every process reads its settings: unknown keys are errors that name the key."""

import re
import sys
from math import isfinite
from typing import TypeVar

import msgspec

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_Kind = TypeVar("_Kind")

MAX_BYTES = 262_144  # of a document
MAX_PARTS = 8  # of a dotted key: what Python's reader needs for one grows with the square of them
_PART = r"""(?:[\w-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')[ \t]*\.[ \t]*"""
_BEFORE_KEY = r"(?:^[ \t]*(?:\[{1,2}[ \t]*)?|[{,][ \t]*)"  # of a line, a table, an inline table
_LONG_KEY = re.compile(rf"{_BEFORE_KEY}(?:{_PART}){{{MAX_PARTS}}}", re.MULTILINE)


class TomlError(ValueError):
    """The text is no TOML, or not what was asked for; the message names source and key."""


def parse(data: bytes, source: str) -> dict[str, object]:
    """Read a TOML document, or raise TomlError; `source` (usually a path) begins every message.

    No text in it has a NUL, which no path may have; every number is finite, every integer has 64 bits.
    """
    if len(data) > MAX_BYTES:
        raise TomlError(f"{source}: has {len(data)} bytes, limit is {MAX_BYTES}")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise TomlError(f"{source}: not UTF-8 at byte {error.start}") from error
    if _LONG_KEY.search(text):
        raise TomlError(f"{source}: a key has more than {MAX_PARTS} parts")
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of too many digits is no TOMLDecodeError
        raise TomlError(f"{source}: {error}") from error
    _check_values(document, source)
    return document


def parse_as(data: bytes, kind: type[_Kind], source: str) -> _Kind:
    """Read a TOML document into a msgspec Struct or a dataclass, or raise TomlError.

    Give a Struct `forbid_unknown_fields`: only then is an unknown key an error.
    """
    try:
        return msgspec.convert(parse(data, source), kind)
    except msgspec.ValidationError as error:
        raise TomlError(f"{source}: {error}") from error


def _check_values(document: dict[str, object], source: str) -> None:
    waiting: list[tuple[str, object]] = [("", document)]
    while waiting:  # no recursion: tables may be nested deeper than Python's stack
        key, value = waiting.pop()
        if isinstance(value, dict):
            if any("\0" in name for name in value):
                raise TomlError(f"{source}: a key in [{key}] has a NUL")
            waiting += ((name, each) for name, each in value.items())
        elif isinstance(value, list):
            waiting += ((key, each) for each in value)
        elif isinstance(value, float) and not isfinite(value):
            raise TomlError(f"{source}: {key} = {value} is no finite number")
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise TomlError(f"{source}: {key} does not fit in 64 bits")  # nor, maybe, in Python's int to str
        elif isinstance(value, str) and "\0" in value:
            raise TomlError(f"{source}: {key} has a NUL")
