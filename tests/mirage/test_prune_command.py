"""`mirage cloud prune`: what is over its limit is told by camera, and goes when it is to."""

import json
from pathlib import Path

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from cloud.clock import wall_ms
from cloud.schema import PacketRow
from cloud.store import Store
from mirage.cli import app
from tests.bundles import write_bundle
from tests.cloud.retention.archive import DAY_MS, Archive
from wire.bundle import Bundle

SETTINGS = '[broker]\nhost = "127.0.0.1"\n[bundle]\npaths = ["tiny"]\n[retention]\npackets_days = 1\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Make a store with two groups of packets of two days ago, and one of today."""
    path = tmp_path / "cloud.toml"
    path.write_text(SETTINGS)
    store = Store(f"sqlite:///{tmp_path}/store.db")
    bundle = Bundle.load(write_bundle(tmp_path), "cloud")
    archive = Archive(store, tmp_path / "objects", bundle, wall_ms() - 2 * DAY_MS)
    archive.record(2)
    archive.now_ms = wall_ms()
    archive.record(1)
    store.close()
    return path


def mirage(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["cloud", "prune", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_dry_run_says_what_would_go_and_removes_nothing(config: Path) -> None:
    told = json.loads(mirage("--config", config, "--dry-run", "--json"))
    assert told["removed"] is False
    (camera,) = told["cameras"]
    assert (camera["camera"], camera["packets"], camera["clips"]) == ("acme/north/jetson-1/gate", 6, 0)
    assert camera["packet_bytes"] > 0
    assert told["quarantine"] == {"messages": 0, "bytes": 0}
    assert told["orphans"] == {"objects": 0, "bytes": 0}
    assert json.loads(mirage("--config", config, "--dry-run", "--json")) == told


def test_then_it_goes(config: Path) -> None:
    told = json.loads(mirage("--config", config, "--dry-run", "--json"))
    assert json.loads(mirage("--config", config, "--json")) == told | {"removed": True}
    assert mirage("--config", config) == "nothing is over its limit\n"


def test_people_get_a_sentence_and_a_table(config: Path) -> None:
    said = mirage("--config", config, "--dry-run")
    assert said.startswith("would remove 6 packets and 0 clips of 1 cameras")
    assert "acme/north/jetson-1/gate" in said


def test_a_store_of_another_time_is_left_alone(config: Path) -> None:
    store = Store(f"sqlite:///{config.parent}/store.db")
    with store.write() as session:
        session.execute(update(PacketRow).values(received_ms=wall_ms() + DAY_MS))
    store.close()
    assert mirage("--config", config) == "nothing is over its limit\n"
