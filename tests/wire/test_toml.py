"""Settings: read into types, and every mistake is named."""

from typing import Annotated

import msgspec
import pytest

from wire import toml
from wire.toml import TomlError


class Broker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    host: str
    port: int = 1883


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    eur: float = 0.0


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    prices: dict[str, Price] | None = None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    broker: Broker
    link: Annotated[tuple[Link, ...], msgspec.Meta(max_length=9)] = ()


def test_toml_becomes_the_type_that_was_asked_for() -> None:
    settings = toml.parse_as(b'[broker]\nhost = "localhost"\n', Settings, "agent.toml")
    assert settings == Settings(Broker("localhost", 1883))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(
            b'[broker]\nhost = "a"\nprot = 1\n',
            r"\[broker\] has no key 'prot': did you mean port\?",
            id="unknown key",
        ),
        pytest.param(b"[brokre]\n", "there is no key 'brokre': did you mean broker", id="unknown table"),
        pytest.param(
            b'[broker]\nhost = "a"\n[[link]]\nname = "a"\nqqq = 1\n',
            r"\[link\] has no key 'qqq': it has name, prices$",
            id="unknown key of a list",
        ),
        pytest.param(
            b'[broker]\nhost = "a"\n[[link]]\nname = "a"\nprices = { sat = { eru = 1 } }\n',
            r"\[link.prices.sat\] has no key 'eru': did you mean eur",
            id="unknown key of an inner table",
        ),
        pytest.param(b"[broker]\nhost = 1\n", "Expected `str`.*broker.host", id="wrong type"),
        pytest.param(b"[broker]\n", "missing required field `host`", id="missing key"),
        pytest.param(b"[broker\n", "line 1", id="no TOML"),
        pytest.param(b'host = "\xff"', "not UTF-8 at byte 8", id="not UTF-8"),
    ],
)
def test_a_mistake_names_source_and_key(text: bytes, reason: str) -> None:
    with pytest.raises(TomlError, match=f"(?s)agent.toml: .*{reason}"):
        toml.parse_as(text, Settings, "agent.toml")


def test_a_deeply_nested_document_is_refused() -> None:
    with pytest.raises(TomlError):
        toml.parse(b"a = " + b"[" * 50_000, "agent.toml")


@pytest.mark.parametrize("number", [b"0x" + b"f" * 5000, b"9223372036854775808", b"-9223372036854775809"])
def test_an_integer_of_more_than_64_bits_is_refused(number: bytes) -> None:
    with pytest.raises(TomlError, match=r"agent\.toml: port does not fit in 64 bits"):
        toml.parse(b"port = " + number, "agent.toml")


@pytest.mark.parametrize("digits", [b"9" * 5000, b"-" + b"1" * 5000])
def test_a_number_of_too_many_digits_is_refused(digits: bytes) -> None:
    with pytest.raises(TomlError, match=r"agent\.toml: .*digits"):
        toml.parse(b"port = " + digits, "agent.toml")


LONG = b".a" * toml.MAX_PARTS


@pytest.mark.parametrize(
    "text",
    [
        b"a" + LONG + b" = 1",
        b"\t[a" + LONG + b"]",
        b"[[ a" + LONG + b"]]",
        b"b = 1\r\n'a'" + LONG + b" = 1",
        b'"a\\"b"' + LONG + b" = 1",
        b"b = {a" + LONG + b" = 1}",
        b"b = {c = 1, a " + LONG + b" = 1}",
        b"a" + b".a" * 100_000 + b" = 1",
    ],
)
def test_a_key_of_many_parts_is_refused(text: bytes) -> None:
    with pytest.raises(TomlError, match=f"more than {toml.MAX_PARTS} parts"):
        toml.parse(text, "agent.toml")


def test_dots_in_texts_and_numbers_are_no_parts_of_a_key() -> None:
    text = b'a.b.c.d.e.f.g.h = "1.2.3.4.5.6.7.8.9.10"\nx = [1.5, 2.5, 3.5]\n# 1.2.3.4.5.6.7.8.9\n'
    assert toml.parse(text, "x")["x"] == [1.5, 2.5, 3.5]


def test_a_long_line_of_blanks_is_read_at_once() -> None:
    assert toml.parse(b"a = 1\n" + b" " * 200_000, "x") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[a]\nb = nan", "b = nan is no finite number"),
        (b"a = [{b = [1.0, -inf]}]", "b = -inf is no finite number"),
        (rb'a = "x\u0000"', "a has a NUL"),
        (rb'[a]\n"b\u0000" = 1'.replace(rb"\n", b"\n"), r"a key in \[a\] has a NUL"),
        (b"a" * (toml.MAX_BYTES + 1), "has 262145 bytes, limit is 262144"),
    ],
)
def test_what_no_setting_can_be_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(TomlError, match=f"agent.toml: {reason}"):
        toml.parse(text, "agent.toml")
