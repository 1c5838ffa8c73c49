"""Where a run takes place, by itself."""

import os
import signal
from pathlib import Path

import pytest

from mirage.bench.chaos import stage as stage_module
from mirage.bench.chaos.run import Request
from mirage.bench.chaos.stage import Stage


@pytest.mark.slow
def test_a_broker_that_serves_nobody_any_more_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_module, "_STALL_S", 10.0)
    with Stage(Request(60, 1, "iotcore", "none"), tmp_path) as stage:
        stage.await_delivery()
        (broker,) = (party for party in stage.parties if party.name == "broker")
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGSTOP)
        assert stage.drain(90.0)
        assert stage.broker_crashes >= 1
        assert stage.deaths == []
