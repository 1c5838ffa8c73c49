"""Nothing is lost, made up, altered or freed early, whatever happens: sealed, through Mosquitto."""

from pathlib import Path

import pytest

from mirage.bench.chaos.checker import check
from mirage.bench.chaos.run import Request, run
from mirage.errors import InputError


@pytest.mark.slow
def test_a_storm_loses_nothing_sealed_through_mosquitto(tmp_path: Path) -> None:
    try:
        outcome = run(Request(75, 21, "mosquitto", "sealed"), tmp_path, lambda _: None)
    except InputError as error:
        pytest.skip(str(error))
    verdict = check(outcome.history)
    assert verdict.violations == (), (
        f"mirage bench chaos --minutes 1.25 --seed 21 --broker mosquitto: {tmp_path}"
    )
    assert len(outcome.history.boots) > 1
    assert len(outcome.faults) > 15
    assert verdict.captured > 300
