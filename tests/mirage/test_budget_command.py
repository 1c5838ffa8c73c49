"""`mirage fleet budget`: set, list, remove."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cloud.store import Store
from cloud.usage.budgets import BudgetError
from cloud.usage.sums import Amount, Gathering
from mirage.budget_command import parse_bytes
from mirage.cli import app
from mirage.errors import InputError, mistakes
from tests.cloud.usage.reporting import far_day

SETTINGS = '[broker]\nhost = "127.0.0.1"\n[bundle]\npaths = ["tiny"]\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "cloud.toml"
    path.write_text(SETTINGS)
    return path


def mirage(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["fleet", "budget", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_budget_is_set_listed_and_removed(config: Path, tmp_path: Path) -> None:
    from cloud.clock import wall_ms

    billing_day = far_day()
    assert "no budgets" in mirage("list", "--config", config)
    billing = ("--config", config, "--billing-day", billing_day)
    mirage("set", "acme/north/edge-1", "2kB", *billing)
    assert "whole fleet may send" in mirage("set", "fleet", "1.5GB", *billing)
    store = Store(f"sqlite:///{tmp_path}/store.db")
    with store.write() as session:
        gathering = Gathering()
        gathering.add("acme/north/edge-1", wall_ms(), Amount({"gate": [500]}))
        gathering.write(session)
    store.close()
    fleet, device = json.loads(mirage("list", "--config", config, "--json"))["budgets"]
    assert (fleet["place"], fleet["bytes_per_month"], fleet["used"]) == ("", 1_500_000_000, 500)
    assert (device["share"], device["billing_day"], device["forecast"]) == (0.25, billing_day, None)
    shown = mirage("list", "--config", config)
    assert all(text in shown for text in ("whole fleet", "1.5 GB", "acme/north/edge-1", "2 KB", "25%"))
    mirage("remove", "fleet", "--config", config)
    assert [
        each["place"] for each in json.loads(mirage("list", "--config", config, "--json"))["budgets"]
    ] == ["acme/north/edge-1"]


def test_a_tenant_may_be_called_fleet(config: Path) -> None:
    mirage("set", "fleet", "3MB", "--config", config)
    mirage("set", "fleet/", "1MB", "--config", config)
    mirage("set", "fleet/north", "2MB", "--config", config)
    listed = json.loads(mirage("list", "--config", config, "--json"))["budgets"]
    assert {each["place"]: each["bytes_per_month"] for each in listed} == {
        "": 3_000_000, "fleet": 1_000_000, "fleet/north": 2_000_000,
    }  # fmt: skip
    mirage("remove", "fleet/", "--config", config)
    assert len(json.loads(mirage("list", "--config", config, "--json"))["budgets"]) == 2


@pytest.mark.parametrize(
    ("text", "size"), [("30000000", 30_000_000), ("30MB", 30_000_000), ("1.5 gb", 1_500_000_000), ("7b", 7)]
)
def test_bytes_are_read_with_units(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-1", "1e9", "30 MiB", "1,5GB"])
def test_what_is_no_number_of_bytes_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="give 30000000, 30MB or"):
        parse_bytes(text)


def test_a_budget_that_cannot_be_is_the_users_mistake(config: Path) -> None:
    arguments = ["fleet", "budget", "set", "a/b/c/d", "1MB", "--config", str(config)]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, BudgetError)
    assert BudgetError in mistakes()
