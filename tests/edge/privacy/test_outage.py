"""An agent whose detector breaks for a while: nothing of that time is sent, and it is said."""

import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge import agent
from edge.config import load
from edge.graph import RunError
from edge.privacy.detectors import Boxes, BundleDetector
from edge.spool import Spool
from edge.uplink import UplinkError
from edge.watch import Figures, Watch
from tests.edge.privacy.detecting import magenta_bundle, secret_film
from wire import gap
from wire.gap import GapReason
from wire.packet import Layer, Packet
from wire.telemetry import Alarm

SETTINGS = """
[device]
tenant = "acme"
site = "north"
id = "edge-1"
[broker]
host = "127.0.0.1"
port = 1
envelope = "none"
[bundle]
path = "{bundle}"
[spool]
path = "spool.db"
[sender]
people = "redact"
[[camera]]
name = "door"
source = "{film}"
"""


@pytest.fixture
def settings(tiny: Path, tmp_path: Path) -> Path:
    pytest.importorskip("onnx", reason="onnx is not installed: it writes the detector of these tests")
    film = secret_film(tmp_path / "secret.mp4", 150)
    path = tmp_path / "edge.toml"
    path.write_text(SETTINGS.format(bundle=magenta_bundle(tiny, tmp_path / "magenta"), film=film))
    return path


def packets_after(settings: Path) -> list[Packet]:
    """Run the film through an agent without a broker, and give what waits in its spool."""
    config = load(settings)
    with pytest.raises(UplinkError):
        agent.run(config, threading.Event(), drain_timeout_s=0.1)
    spool = Spool(Path(config.spool.path), config.spool.max_bytes, config.spool.max_age_s)
    try:
        return [Packet.parse(item.body) for item in spool.pending(100, 0)]
    finally:
        spool.close()


def test_while_a_detector_fails_nothing_is_sent_and_a_gap_says_why(
    settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, calls = BundleDetector.find, [0]

    def failing(this: BundleDetector, rgb: NDArray[np.uint8]) -> Boxes:
        calls[0] += 1
        if 16 <= calls[0] <= 31:  # two seconds of six
            raise RunError("people.onnx: failed")
        return find(this, rgb)

    monkeypatch.setattr(BundleDetector, "find", failing)
    packets = packets_after(settings)
    gaps = [gap.decode(packet.layers[Layer.GAP]) for packet in packets if Layer.GAP in packet.layers]
    assert [each.reason for each in gaps] == [GapReason.REFUSED]
    sent = [packet for packet in packets if Layer.GAP not in packet.layers]
    spans = [(packet.captured_ms, packet.captured_ms + packet.duration_ms) for packet in sent]
    assert spans
    assert not any(start < 3700 and end > 2100 for start, end in spans), spans
    assert max(end for _, end in spans) > 5000
    numbers = sorted([packet.sequence for packet in sent] + [each.first for each in gaps])
    assert numbers == list(range(len(numbers)))


def test_a_detector_that_fails_throughout_leaves_nothing_in_the_spool(
    settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: BundleDetector, __: NDArray[np.uint8]) -> Boxes:
        raise RunError("people.onnx: failed")

    monkeypatch.setattr(BundleDetector, "find", failing)
    assert all(set(packet.layers) == {Layer.GAP} for packet in packets_after(settings))


def test_an_alarm_stands_as_long_as_a_camera_is_withheld(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", 1 << 20)
    trouble = [True]
    try:
        watch = Watch(spool, lambda: 0, lambda: False, Figures(unredacted=lambda: trouble[0]))
        first = watch.due(0.0)
        assert first is not None
        assert first.alarms == {Alarm.REDACTION_FAILED}
        trouble[0] = False
        later = watch.due(60.0)
        assert later is not None
        assert later.alarms == frozenset()
    finally:
        spool.close()
