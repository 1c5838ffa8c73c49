"""Settings: read into types, and every mistake is named."""

import msgspec
import pytest

from wire import toml
from wire.toml import TomlError


class Broker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    host: str
    port: int = 1883


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    broker: Broker


def test_toml_becomes_the_type_that_was_asked_for() -> None:
    settings = toml.parse_as(b'[broker]\nhost = "localhost"\n', Settings, "agent.toml")
    assert settings == Settings(Broker("localhost", 1883))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(b'[broker]\nhost = "a"\nprot = 1\n', "`prot`.*broker", id="unknown key"),
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
