"""`mirage bench ingest` at a small size: all is stored, and all its numbers are there."""

from pathlib import Path

import pytest

from mirage.bench import ingest
from mirage.bench.report import to_json


@pytest.mark.slow
def test_a_small_run_tells_all_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "TURNS", 1)
    monkeypatch.setattr(ingest, "PROCESSES", (2,))
    report = ingest.run(400, 4, folder=tmp_path)
    assert [gate.name for gate in report.gates] == ["one_process"]
    assert report.results["packets"] == 400
    for name in ("processes_1", "processes_2", "bare_paho", "broker", "commit_ms", "frame_bytes"):
        assert report.results[name], name
    assert b"stored_per_s" in to_json(report)
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"
