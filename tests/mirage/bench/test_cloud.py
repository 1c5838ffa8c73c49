"""`mirage bench cloud`: that it measures what it says; how fast it is, is no test's business."""

import pytest

from mirage.bench.cloud import queue
from mirage.errors import InputError
from tests.mirage.bench.printed import bench

pytestmark = pytest.mark.slow


def test_the_queue_is_drained_on_both_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "WORKERS", (2,))
    printed = bench("cloud", "--only", "queue", "--jobs", 100)
    assert printed.bench == "cloud"
    sqlite, postgresql = (printed.part("queue")[name] for name in ("sqlite", "postgresql"))
    assert isinstance(sqlite, dict)
    assert sqlite["workers_2"]["jobs_per_s"] > 0
    if isinstance(postgresql, str):
        pytest.skip(postgresql)
    assert isinstance(postgresql, dict)
    assert postgresql["workers_2"]["lease_ms_median"] > 0


@pytest.mark.filterwarnings("ignore")  # Ray leaves some of its own
def test_the_engines_render_the_same_recording() -> None:
    pytest.importorskip("ray", reason="ray is not installed: pip install 'mirage-video[cluster]'")
    engines = bench("cloud", "--only", "engines", "--copies", 1).part("engines")
    assert engines["segments"] == 3
    for name in ("local_workers_1", "local_workers_2", "ray_workers_1", "ray_workers_2"):
        rates = engines[name]
        assert isinstance(rates, dict)
        assert rates["clips_per_s"] > 0


def test_searches_are_timed_by_their_kind() -> None:
    printed = bench("cloud", "--only", "search", "--captions", 2000)
    search = printed.part("search")
    phrases = search["phrase"]
    assert search["captions"] == 2000
    assert isinstance(phrases, dict)
    assert phrases["ms_median"] > 0
    assert [gate.name for gate in printed.gates] == ["search, median"]


def test_alerts_are_timed_by_how_many_there_are() -> None:
    printed = bench("cloud", "--only", "alerts", "--captions", 200)
    few, many, told = (printed.part("alerts")[name] for name in ("alerts_100", "alerts_10000", "told"))
    assert isinstance(few, dict)
    assert isinstance(many, dict)
    assert isinstance(told, dict)
    assert many["matches_each"] > few["matches_each"] > 0
    assert told["segments_per_s"] > 0
    assert [gate.name for gate in printed.gates] == ["matching, 10000 alerts"]


def test_a_part_that_is_not_there_is_named() -> None:
    with pytest.raises(
        InputError, match="--only fish: is none of queue, engines, search, alerts, event, click, hls"
    ):
        bench("cloud", "--only", "fish")
