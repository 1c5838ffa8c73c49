"""A cloud that asks a running agent to hide more: sealed, answered with what is in force, and done."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from edge.config import Config
from mirage.demo.broker import LoopbackBroker
from tests.edge.cloud import Cloud, wait_for
from tests.edge.films import write_film
from tests.edge.livecam import LiveCamera
from tests.edge.privacy.detecting import MAGENTA, magenta_bundle, secrets_in
from tests.edge.privacy.test_spies import Spies
from tests.edge.sealing import Secrets
from tests.edge.settings import config_of
from tests.edge.test_agent import running
from wire.packet import Layer
from wire.policy import Demands, binding

STATED = """
[sender]
words = ["gender"]
layers = ["caption", "motion", "appearance-tokens"]
[sender.receiver]
publish = false
"""


@pytest.fixture
def cloud(broker: LoopbackBroker, secrets: Secrets) -> Iterator[Cloud]:
    subscriber = Cloud(broker.port, secrets=secrets)
    yield subscriber
    subscriber.close()


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[LiveCamera]:
    """Show a magenta square on grey, as a network camera."""
    pictures = np.full((125, 180, 320, 3), 90, np.uint8)
    for index, picture in enumerate(pictures):
        picture[60:120, 20 + 2 * index : 70 + 2 * index] = MAGENTA
    plugged = LiveCamera(write_film(tmp_path / "stream.ts", pictures).read_bytes())
    yield plugged
    plugged.unplug()


@pytest.fixture
def config(
    tiny: Path, tmp_path: Path, broker: LoopbackBroker, secrets: Secrets, camera: LiveCamera
) -> Config:
    pytest.importorskip("onnx", reason="onnx is not installed: it writes the detector of these tests")
    secrets.write(tmp_path)
    bundle = magenta_bundle(tiny, tmp_path / "magenta")
    return config_of(tmp_path, broker.port, bundle, {"door": camera.url}, STATED, broker="")


def test_a_running_agent_hides_what_the_cloud_asks_it_to_and_shows_no_more_than_its_file(
    config: Config, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    spies = Spies(monkeypatch)
    with capture_logs(), running(config):
        wait_for(lambda: cloud.deliveries >= 1, timeout_s=60)
        assert spies.secrets["segmenter"] > 0
        cloud.command("set-policy", "words", words="")
        cloud.command("set-policy", "layers", layers="caption,appearance-vector")
        assert "may not be loosened from afar" in cloud.reply("words").detail
        assert "may not be loosened from afar" in cloud.reply("layers").detail
        cloud.command("set-policy", "hide", people="redact")
        assert cloud.reply("hide").result["people"] == "redact"
        seen = cloud.deliveries
        wait_for(lambda: cloud.deliveries >= seen + 6, timeout_s=90)  # what was seen before has gone out
        spies.secrets.clear()
        wait_for(lambda: spies.secrets.keys() >= {"segmenter", "appearance"}, timeout_s=60)
        assert sum(spies.secrets.values()) == 0
        cloud.command("set-policy", "off", off=True)
        assert cloud.reply("off").result["off"] is True
        cloud.command("set-policy", "on", off=False)
        assert cloud.reply("on").result["people"] == "redact"
        seen = cloud.deliveries
        wait_for(lambda: cloud.deliveries > seen, timeout_s=60)
    for packet in cloud.packets.values():
        assert binding.decode(packet.layers[Layer.POLICY]) == Demands(publish=False)
        assert Layer.APPEARANCE_DETAIL not in packet.layers


def test_the_square_would_be_seen(camera: LiveCamera) -> None:
    from edge.camera import open_camera

    frame = next(iter(open_camera(camera.url, short_side_px=160)))
    assert secrets_in(frame.rgb) > 100
