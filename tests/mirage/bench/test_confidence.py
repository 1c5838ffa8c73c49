"""The benchmark behind the scores: its gates are met by the shipped bundle, and what it writes is used."""

import shutil
from pathlib import Path

import pytest

from cloud.confidence.calibration import calibration_of, path_of
from mirage.bench.confidence import Request, run
from mirage.bench.quality.clips import demo_paths
from wire.bundle import Bundle

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not demo_paths(), reason="no clips: pip install 'mirage-video[demo]'"),
]


def test_the_gates_are_met_and_the_calibration_is_written(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "tiny", ignore=shutil.ignore_patterns("golden.npz"))
    bundle = Bundle.load(tmp_path / "tiny", "cloud")
    path_of(bundle).unlink(missing_ok=True)
    report = run(Request(None, (), bundle.root, 1, write=True))
    gates = {gate.name: gate for gate in report.gates}
    assert set(gates) == {
        "own_above_other", "own_not_doubtful", "other_not_doubtful", "obedience",
        "obedience_of_a_deaf_renderer", "cost_beside_rendering",
    }  # fmt: skip
    assert [name for name, gate in gates.items() if not gate.ok and name != "cost_beside_rendering"] == []
    scale = calibration_of(bundle)
    assert (scale.typical, scale.other) == (report.results["typical"], report.results["other"])
    assert scale.measured["clips"] == 3
