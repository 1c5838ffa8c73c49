"""`mirage bench cloud`: that it measures what it says; how fast it is, is no test's business."""

import json

import pytest
from typer.testing import CliRunner

from mirage.bench.cloud import queue
from mirage.cli import app
from mirage.errors import InputError

pytestmark = pytest.mark.slow


def bench(*arguments: object) -> dict[str, object]:
    result = CliRunner().invoke(
        app, ["bench", "cloud", "--json", *map(str, arguments)], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    printed: dict[str, object] = json.loads(result.stdout)
    return printed


def test_the_queue_is_drained_on_both_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "WORKERS", (2,))
    printed = bench("--only", "queue", "--jobs", 100)
    assert printed["bench"] == "cloud"
    results = printed["results"]
    assert isinstance(results, dict)
    assert results["queue"]["sqlite"]["workers_2"]["jobs_per_s"] > 0
    postgresql = results["queue"]["postgresql"]
    if isinstance(postgresql, str):
        pytest.skip(postgresql)
    assert postgresql["workers_2"]["lease_ms_median"] > 0


@pytest.mark.filterwarnings("ignore")  # Ray leaves some of its own
def test_the_engines_render_the_same_recording() -> None:
    pytest.importorskip("ray", reason="ray is not installed: pip install 'mirage-video[cluster]'")
    results = bench("--only", "engines", "--copies", 1)["results"]
    assert isinstance(results, dict)
    engines = results["engines"]
    assert engines["segments"] == 3
    for name in ("local_workers_1", "local_workers_2", "ray_workers_1", "ray_workers_2"):
        assert engines[name]["clips_per_s"] > 0


def test_searches_are_timed_by_their_kind() -> None:
    printed = bench("--only", "search", "--captions", 2000)
    results, gates = printed["results"], printed["gates"]
    assert isinstance(results, dict)
    assert isinstance(gates, list)
    assert results["search"]["captions"] == 2000
    assert results["search"]["phrase"]["ms_median"] > 0
    assert [gate["name"] for gate in gates] == ["search, median"]


def test_a_part_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="--only fish: is none of queue, engines, search"):
        bench("--only", "fish")
