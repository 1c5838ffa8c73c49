"""`mirage cloud alerts`: written, tried, listed, switched and removed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cloud.alerts.rulebook import UnknownAlertError
from cloud.alerts.rules import AlertError
from cloud.clock import wall_ms
from cloud.config_events import Events
from cloud.search import CursorError
from cloud.store import Store
from mirage.cli import app
from mirage.errors import InputError
from tests.bundles import write_bundle
from tests.cloud.alerts.lookout import Lookout
from wire.bundle import Bundle

SETTINGS = """\
[broker]
host = "127.0.0.1"
[bundle]
paths = ["bundle"]
[alerts]
webhooks = ["https://hooks.example/"]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "cloud.toml"
    path.write_text(SETTINGS)
    return path


@pytest.fixture
def lookout(config: Path, tmp_path: Path) -> Iterator[Lookout]:
    """Look on while the command writes to the same store; what is said is of a minute ago."""
    (tmp_path / "bundle").mkdir()
    bundle = Bundle.load(write_bundle(tmp_path / "bundle"), "cloud")
    store = Store(f"sqlite:///{config.parent}/store.db")
    made = Lookout(store, bundle, Events())
    made.now_ms = wall_ms()
    made.desk.deliver(made.device.topics.birth, made.device.birth(made.now_ms - 60_000), made.now_ms)
    yield made
    store.close()


def mirage(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["cloud", "alerts", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_an_alert_is_added_listed_switched_and_removed(config: Path) -> None:
    said = mirage(
        "add", "Cars at night", '"red car" -rain', "--place", "acme/north", "--hours", "22:00-06:00",
        "--zone", "Europe/Berlin", "--cooldown", 5, "--webhook", "https://hooks.example/x",
        "--config", config,
    )  # fmt: skip
    assert said == "alert 1 added: Cars at night\n"
    (alert,) = json.loads(mirage("list", "--config", config, "--json"))["alerts"]
    assert (alert["query"], alert["cooldown_s"], alert["zone"]) == ('"red car" -rain', 5, "Europe/Berlin")
    assert "22:00-06:00" in mirage("list", "--config", config)
    assert mirage("switch", 1, "off", "--config", config) == "alert 1 is off\n"
    (alert,) = json.loads(mirage("list", "--config", config, "--json"))["alerts"]
    assert not alert["active"]
    assert mirage("remove", 1, "--config", config) == "alert 1 removed: Cars at night\n"
    assert "no alerts yet" in mirage("list", "--config", config)


def test_what_was_found_is_listed_page_by_page(config: Path, lookout: Lookout) -> None:
    mirage("add", "Cars", "car", "--cooldown", 0, "--config", config)
    lookout.say("a red car", "a blue car")
    told = mirage("hits", "--limit", 1, "--config", config)
    assert "a blue car" in told
    assert "acme/north/jetson-1/gate" in told
    cursor = told.split("--cursor ")[1].strip()
    found = json.loads(mirage("hits", "--limit", 1, "--cursor", cursor, "--config", config, "--json"))
    assert [hit["caption"] for hit in found["results"]] == ["a red car"]
    assert found["cursor"] is None


def test_an_alert_is_tried_before_it_is_added(config: Path, lookout: Lookout) -> None:
    lookout.say("a red car", "a blue car")
    told = mirage("add", "Cars", "car", "--trial", "--config", config)
    assert told.startswith("in the last day, 2 captions match, and 1 would be hits; ")
    assert "no alerts yet" in mirage("list", "--config", config)
    found = json.loads(mirage("add", "Cars", "car", "--trial", "--json", "--config", config))
    assert (found["matched"], found["raised"]) == (2, 1)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("add", "Cars", "!!"), AlertError),
        (("add", "Cars", "car", "--webhook", "http://127.0.0.1/"), AlertError),
        (("remove", 7), UnknownAlertError),
        (("switch", 7, "on"), UnknownAlertError),
        (("switch", 7, "perhaps"), InputError),
        (("hits", "--alert", 7), UnknownAlertError),
        (("hits", "--cursor", "x"), CursorError),
    ],
)
def test_mistakes_are_told(config: Path, arguments: tuple[object, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        mirage(*arguments, "--config", config)
