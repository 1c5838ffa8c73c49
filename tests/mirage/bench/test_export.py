"""`mirage bench export`: every graph in every precision, against PyTorch."""

import pytest

from mirage.bench import export

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def test_every_graph_is_measured_in_every_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_ROUNDS", 1)
    monkeypatch.setattr(export, "_CAPTION_ROUNDS", 1)
    report = export.run(1)
    assert [gate.name for gate in report.gates] == ["caption_speedup", "int8_smaller"]
    graphs, captions = report.results["graphs"], report.results["captions"]
    assert isinstance(graphs, dict)
    assert isinstance(captions, dict)
    assert len(graphs) == 5
    for name, row in graphs.items():
        for kind in ("shipped", "fp32", "int8"):
            assert row[f"{kind}_ms"] > 0
            assert row[f"{kind}_bytes"] > 10_000
        assert row["pytorch_eager_ms"] > 0
        assert row["int8_bytes"] < row["shipped_bytes"] < row["fp32_bytes"], name
        assert row["fp32_cosine"] > 0.9999
        assert row["int8_cosine"] > 0.9
    assert captions["shipped_identical"] == captions["fp32_identical"] == 1
    assert captions["tokens"] > 3
