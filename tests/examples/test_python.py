"""The Python example, as somebody would run it who copied it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloud.acl import Grant, acl, of_subscriber
from tests.conftest import ROOT
from tests.mosquitto import PERSISTENT, mosquitto, shipped
from tests.party import Party, admitted
from tests.pki import Pki
from tests.told import (
    alert,
    budget_reached,
    described,
    rendered,
    segment,
    topic_and_payload,
    usage_unusual,
)
from wire.events import Event

_PATIENCE_S = 60


def command_of(folder: Path, *options: object) -> list[str]:
    """Give the command that runs a copy of it, outside of the repository."""
    copy = shutil.copy(ROOT / "examples" / "python" / "subscriber.py", folder / "mine.py")
    return [sys.executable, str(copy), "--host", "127.0.0.1", *map(str, options)]


@contextmanager
def running(folder: Path, *options: object) -> Iterator[subprocess.Popen[str]]:
    """Run a copy of it until it listens."""
    command = command_of(folder, *options)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            assert process.stderr.readline().startswith("listening to ")
            yield process
        finally:
            process.kill()


def output(process: subprocess.Popen[str]) -> list[str]:
    text, errors = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 0, errors
    return text.splitlines()


def test_with_a_certificate_it_handles_each_event_of_its_tenant_once(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "pki")
    viewer = pki.client("subscriber.viewer")
    (pki.folder / "acl").write_text(
        acl([], [of_subscriber("viewer", "acme"), Grant("writer.all", (), ("mirage/#",))])
    )
    told: list[Event] = [
        alert(segment(1, camera="rival/north/edge-9/door")),
        described(segment(1)),
        described(segment(1)),
        alert(segment(2, historical=True)),
        budget_reached("acme/north"),
        usage_unusual("acme/north/edge-1"),
        rendered(segment(1)),
    ]
    with mosquitto(pki.folder, shipped(pki.folder)) as broker:
        tls = ("--ca", pki.ca, "--cert", viewer.certificate, "--key", viewer.key, "--tenant", "acme")
        with (
            running(tmp_path, "--port", broker.port, *tls, "--count", 5) as process,
            admitted(Party(broker.port, pki.ca, pki.client("writer.all"))) as cloud,
        ):
            cloud.publish("mirage/v1/acme/north/edge-1/door/event", b"rubbish")
            for event in told:
                cloud.publish(*topic_and_payload(event))
            assert output(process) == [
                "acme/north/edge-1/door: a person walks to the door",
                "ALERT Parcels: a person walks to the door [acme/north/edge-1/door] (late)",
                "acme/north: 90 % of the budget of 30000000 bytes is used",
                "acme/north/edge-1: sent 900000 bytes in an hour, usual are 100000",
                "acme/north/edge-1/door: video, reconstructed: /api/v1/clips/1.mp4",
            ]


def test_it_comes_back_after_the_broker_was_away(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, running(tmp_path, "--port", broker.port, "--count", 1) as process:
        broker.kill()
        broker.start()
        assert process.stderr is not None
        assert process.stderr.readline().startswith("listening to ")
        with admitted(Party(broker.port)) as cloud:
            cloud.publish(*topic_and_payload(described(segment(1))))
            assert len(output(process)) == 1


def test_what_is_told_while_it_is_away_waits_for_it(tmp_path: Path) -> None:
    with mosquitto(tmp_path, PERSISTENT) as broker, admitted(Party(broker.port)) as cloud:
        with running(tmp_path, "--port", broker.port, "--count", 1) as process:
            cloud.publish(*topic_and_payload(described(segment(1))))
            output(process)
        cloud.publish(*topic_and_payload(described(segment(2, "a van stops"))))
        # It may come, and be the last that is wanted, before the subscription is confirmed again.
        command = command_of(tmp_path, "--port", broker.port, "--count", 1)
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=True)
        assert done.stdout == "acme/north/edge-1/door: a van stops\n"
