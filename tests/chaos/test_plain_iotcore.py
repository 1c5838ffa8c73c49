"""Nothing is lost, made up, altered or freed early, whatever happens: unsealed, through rumqttd."""

from pathlib import Path

import pytest

from mirage.bench.chaos.checker import check
from mirage.bench.chaos.run import Request, run


@pytest.mark.slow
def test_a_storm_loses_nothing_unsealed_through_rumqttd(tmp_path: Path) -> None:
    outcome = run(Request(60, 25, "iotcore", "none"), tmp_path, lambda _: None)
    verdict = check(outcome.history)
    replay = "mirage bench chaos --minutes 1 --seed 25 --broker iotcore --envelope none"
    assert verdict.violations == (), f"{replay}: {tmp_path}"
    assert len(outcome.history.boots) > 1
    assert len(outcome.faults) > 15
    assert verdict.captured > 300
