"""Tokens from the command line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cloud.access.keeper import Credential, Keeper
from cloud.access.roles import Role, ScopeError
from cloud.access.tokens import TokenError
from cloud.store import Store
from mirage import tokens_command
from mirage.cli import app
from mirage.errors import InputError


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "cloud.toml"
    path.write_text('[broker]\nhost = "127.0.0.1"\n[bundle]\npaths = ["tiny"]\n')
    return path


def said(config: Path, *words: str) -> str:
    result = CliRunner().invoke(app, ["cloud", "tokens", *words, "--config", str(config)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_token_is_made_used_listed_and_revoked(config: Path) -> None:
    made = json.loads(said(config, "create", "wall", "--scope", "acme/north", "--expires", "90d", "--json"))
    token = made["token"]
    assert (token["name"], token["role"], token["scope"], token["state"]) == (
        "wall", "viewer", "acme/north", "valid",
    )  # fmt: skip
    assert token["expires_ms"] - token["created_ms"] == 90 * 86_400_000
    keeper = Keeper(Store(f"sqlite:///{config.parent}/store.db"), session_ms=1)
    caller = keeper.caller(Credential(made["secret"], is_cookie=False))
    assert caller is not None
    assert (caller.role, caller.scope.path) == (Role.VIEWER, "acme/north")
    (listed,) = json.loads(said(config, "list", "--json"))["tokens"]
    assert listed["used_ms"] is not None
    assert made["secret"] not in said(config, "list")
    said(config, "revoke", token["id"])
    (listed,) = json.loads(said(config, "list", "--json"))["tokens"]
    assert listed["state"] == "revoked"


def test_the_secret_is_printed_once_on_a_line_of_its_own(config: Path) -> None:
    lines = said(config, "create", "desk", "--role", "admin").splitlines()
    assert [line for line in lines if line.startswith("mrg_")] == [lines[1]]
    assert "desk, admin of the whole fleet" in lines[0]
    secret = lines[1].split("_", 2)[2]  # may hold more of them
    assert secret.encode() not in (config.parent / "store.db").read_bytes()


def test_what_cannot_be_made_or_revoked_says_why(config: Path) -> None:
    tokens_command.create(config, "wall", "viewer", None, None, json=False)
    with pytest.raises(TokenError, match="'wall': is there already"):
        tokens_command.create(config, "wall", "admin", None, None, json=False)
    with pytest.raises(ScopeError, match="'acme/north/x': give TENANT or TENANT/SITE"):
        tokens_command.create(config, "door", "viewer", "acme/north/x", None, json=False)
    with pytest.raises(TokenError, match="no token 4f0c9a12be77"):
        tokens_command.revoke(config, "4f0c9a12be77", json=False)


@pytest.mark.parametrize("text", ["", "90", "d", "0d", "-1d", "1w", "1.5h", "99999999d", "90d "])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="as 90d, 12h or 30m"):
        tokens_command.duration_ms(text)
