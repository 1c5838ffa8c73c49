"""TOML, as every process reads its settings: unknown keys are errors that name the key, and the nearest."""

import re
import sys
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from math import isfinite
from typing import NamedTuple, TypeVar

import msgspec
from msgspec import inspect

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_Kind = TypeVar("_Kind")

MAX_BYTES = 262_144  # of a document
MAX_PARTS = 8  # of a dotted key: what Python's reader needs for one grows with the square of them
_PART = r"""(?:[\w-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')[ \t]*\.[ \t]*"""
_BEFORE_KEY = r"(?:^[ \t]*(?:\[{1,2}[ \t]*)?|[{,][ \t]*)"  # of a line, a table, an inline table
_TABLES = (inspect.StructType, inspect.DictType, inspect.ListType, inspect.VarTupleType)
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
    return fitted(parse(data, source), kind, source)


def fitted(document: dict[str, object], kind: type[_Kind], source: str) -> _Kind:
    """Make a msgspec Struct or a dataclass of what `parse` gave, or raise TomlError."""
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        unknown = next(_unknown_keys(document, inspect.type_info(kind), ""), None)
        raise TomlError(f"{source}: {unknown or error}") from error


def key_hint(key: str, known: Collection[str]) -> str:
    """Say which key may be meant by one that there is not: the nearest, or else all there are."""
    near = get_close_matches(key, known, 1)
    return f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"


class _Part(NamedTuple):
    value: object
    kind: inspect.Type
    table: str


def _unknown_keys(value: object, kind: inspect.Type, table: str) -> Iterator[str]:
    """Say of each key that its table does not have, which it may be. As deep as the types are."""
    if isinstance(kind, inspect.StructType) and isinstance(value, dict) and kind.forbid_unknown_fields:
        known = [field.encode_name for field in kind.fields]
        place = f"[{table}] has" if table else "there is"
        for key in value:
            if key not in known:
                yield f"{place} no key {key!r}: {key_hint(key, known)}"
    for inner, of, name in _within(value, kind, table):
        yield from _unknown_keys(inner, of, name)


def _within(value: object, kind: inspect.Type, table: str) -> Iterator[_Part]:
    """Give what a value has in it, of which type that is to be, and in which table."""
    if isinstance(kind, inspect.Metadata):
        yield _Part(value, kind.type, table)
    elif isinstance(kind, inspect.UnionType):
        tables = [each for each in kind.types if isinstance(each, _TABLES)]
        if len(tables) == 1:  # of several, nobody knows which is meant
            yield _Part(value, tables[0], table)
    elif isinstance(kind, (inspect.ListType, inspect.VarTupleType)) and isinstance(value, list):
        yield from (_Part(each, kind.item_type, table) for each in value)
    elif isinstance(value, dict):
        types = {}
        if isinstance(kind, inspect.StructType):
            types = {field.encode_name: field.type for field in kind.fields}
        elif isinstance(kind, inspect.DictType):
            types = dict.fromkeys(value, kind.value_type)
        for key in (each for each in value if each in types):
            yield _Part(value[key], types[key], f"{table}.{key}" if table else key)


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
