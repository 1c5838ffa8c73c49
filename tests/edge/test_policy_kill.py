"""A real agent that is killed, or whose file is damaged: what the cloud has switched off stays off."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mirage.demo.broker import LoopbackBroker
from tests.edge.cloud import Cloud, wait_for
from tests.edge.films import panned, texture, write_film
from tests.edge.livecam import LiveCamera
from tests.edge.sealing import Secrets
from tests.edge.settings import config_of, write_config
from tests.edge.test_agent import ROOT, running
from wire.telemetry import Alarm, policy_id


@pytest.fixture
def cloud(broker: LoopbackBroker, secrets: Secrets) -> Iterator[Cloud]:
    subscriber = Cloud(broker.port, secrets=secrets)
    yield subscriber
    subscriber.close()


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[LiveCamera]:
    """Give three seconds of a network camera, to everyone who connects."""
    pictures = panned(texture(0), (320, 180), [(2 * at, at) for at in range(75)])
    plugged = LiveCamera(write_film(tmp_path / "stream.ts", pictures).read_bytes())
    yield plugged
    plugged.unplug()


@contextmanager
def process(settings: Path) -> Iterator[None]:
    """Run an agent, and kill it."""
    command = [sys.executable, "-m", "mirage", "edge", "run", "--config", str(settings)]
    child = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL


def look_in_vain(camera: LiveCamera) -> None:
    """Wait until an agent has begun to read the camera's stream, has read it whole, and begins again."""
    before = camera.served
    wait_for(lambda: camera.served >= before + 2, timeout_s=120)


@pytest.mark.slow
def test_a_killed_agent_sends_nothing_of_a_camera_that_was_switched_off(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, cloud: Cloud, camera: LiveCamera, secrets: Secrets
) -> None:
    secrets.write(tmp_path)
    settings = write_config(tmp_path, broker.port, tiny, {"door": camera.url}, broker="")
    with process(settings):
        wait_for(lambda: cloud.deliveries >= 1, timeout_s=120)
        cloud.command("set-policy", "off", off=True, words="age", bytes_per_s=2000.5)
        answer = cloud.reply("off")
        assert answer.ok
    first = cloud.births[-1].boot_id
    cloud.remarks.clear()
    # What a technician does in the meantime has nothing to do with it.
    settings.write_text(settings.read_text() + "\n[encode]\nstill_bytes = 116\n[sender]\nnoise = 0\n")
    with process(settings):
        wait_for(lambda: cloud.births[-1].boot_id != first, timeout_s=120)
        second = cloud.births[-1].boot_id
        look_in_vain(camera)
        wait_for(lambda: policy_id(answer.result) in {each.policy for each in cloud.remarks})
        assert cloud.sequences(second) == []
        cloud.command("set-policy", "back", reset=True)
        wait_for(lambda: cloud.sequences(second) != [], timeout_s=120)
        back = cloud.reply("back").result
    assert (back["off"], back["words"], back["bytes_per_s"]) == (False, "", None)


def test_an_agent_with_a_damaged_file_sends_nothing_of_cameras_until_the_cloud_says_what_shall_hold(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, cloud: Cloud, camera: LiveCamera, secrets: Secrets
) -> None:
    secrets.write(tmp_path)
    config = config_of(tmp_path, broker.port, tiny, {"door": camera.url}, broker="")
    (tmp_path / "spool.db.policy").write_bytes(b'{"crc32":')
    with capture_logs() as logs, running(config):
        wait_for(lambda: any(Alarm.REDACTION_FAILED in each.alarms for each in cloud.records))
        look_in_vain(camera)
        assert cloud.deliveries == 0
        cloud.command("set-policy", "what")
        assert cloud.reply("what").result["off"] is True
        cloud.command("set-policy", "back", reset=True)
        wait_for(lambda: cloud.deliveries >= 1)
        assert cloud.reply("back").result["off"] is False
    (line,) = (each for each in logs if each["log_level"] == "error")
    assert line["event"] == "nothing is looked at"
    assert str(tmp_path / "spool.db.policy") in line["reason"]


def test_a_film_is_not_looked_at_where_the_cloud_had_switched_it_off(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, cloud: Cloud, camera: LiveCamera, secrets: Secrets
) -> None:
    """Files are opened at once, unlike live cameras."""
    secrets.write(tmp_path)
    live = config_of(tmp_path, broker.port, tiny, {"door": camera.url}, broker="")
    with capture_logs(), running(live):
        wait_for(lambda: cloud.deliveries >= 1)
        cloud.command("set-policy", "off", off=True)
        assert cloud.reply("off").ok
    cloud.packets.clear()
    film = write_film(tmp_path / "film.mp4", panned(texture(0), (320, 180), [(at, at) for at in range(50)]))
    config = config_of(tmp_path, broker.port, tiny, {"door": str(film)}, broker="")
    with capture_logs(), running(config) as summaries:
        wait_for(lambda: bool(summaries))
    assert (summaries[0].packets, summaries[0].pending_packets) == (0, 0)
