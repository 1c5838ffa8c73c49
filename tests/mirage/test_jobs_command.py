"""`mirage cloud jobs`: what is there, what failed for good, and another try of it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cloud import jobs, leases
from cloud.jobs import STATES, JobError
from cloud.store import Store
from mirage.cli import app
from mirage.errors import InputError
from mirage.job_commands import State
from tests.cloud.backlog import NOW_MS, file_packets

SETTINGS = '[broker]\nhost = "127.0.0.1"\n[bundle]\npaths = ["tiny"]\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Make a store with a dead job of segment 1, and one of segment 2 that waits."""
    path = tmp_path / "cloud.toml"
    path.write_text(SETTINGS)
    store = Store(f"sqlite:///{tmp_path}/store.db")
    packets = file_packets(store, 1, 2)
    with store.write() as session:
        jobs.enqueue(session, packets[0], NOW_MS)
        lease = leases.take(session, "host-7-0", NOW_MS)
        assert lease is not None
        leases.fail(session, lease, NOW_MS, "no such colour", passing=False)
        jobs.enqueue(session, packets[1], NOW_MS)
    store.close()
    return path


def mirage(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["cloud", "jobs", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_dead_jobs_are_listed_with_the_reason(config: Path) -> None:
    found = json.loads(mirage("--config", config, "--state", "dead", "--json"))
    assert found["counts"] == dict.fromkeys(STATES, 0) | {"dead": 1, "queued": 1}
    (job,) = found["jobs"]
    assert (job["id"], job["error"], job["attempts"]) == ("1-1", "no such colour", 1)
    assert job["worker"] == "host-7-0"


def test_people_get_a_table(config: Path) -> None:
    said = mirage("--config", config)
    assert said.startswith("1 queued, 0 running, 0 done, 1 dead, 0 cancelled, 0 late")
    assert "no such colour" in said


def test_a_retry_is_another_turn(config: Path) -> None:
    assert mirage("retry", "1-1", "--config", config) == "1-2 queued\n"
    with pytest.raises(JobError, match="job 1-1: is not there"):
        mirage("retry", "1-1", "--config", config)


def test_what_waits_is_cancelled(config: Path) -> None:
    assert mirage("--config", config, "cancel", "2-1") == "2-1 cancelled\n"
    with pytest.raises(JobError, match="job 2-1: is cancelled"):
        mirage("--config", config, "cancel", "2-1")


def test_without_settings_it_says_what_is_missing() -> None:
    with pytest.raises(InputError, match="--config"):
        mirage()


def test_the_command_knows_all_states() -> None:
    assert tuple(state.value for state in State) == STATES
