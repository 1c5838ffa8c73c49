"""The shell example: each line of it with what a broker keeps."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.mosquitto import Mosquitto, mosquitto
from tests.party import Party, admitted
from tests.told import BOOT, alert, budget_reached, described, rendered, segment, topic_of, usage_unusual
from wire import documents, events
from wire.documents import State
from wire.topics import DeviceTopics

SCRIPT = ROOT / "examples" / "shell" / "events.sh"
DEVICE = DeviceTopics("acme", "north", "edge-1")
TOLD: list[events.Event] = [
    described(segment(1, camera="acme/north/edge-1/a")),
    alert(segment(2, camera="acme/north/edge-1/b")),
    rendered(segment(3, camera="acme/north/edge-1/c", historical=True)),
    budget_reached("acme/north"),
    usage_unusual("acme/north/edge-1"),
]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """Run one that keeps a message of each topic, so that nobody has to be quick."""
    for program, package in (("mosquitto_sub", "mosquitto-clients"), ("jq", "jq")):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: apt-get install {package}")
    with mosquitto(tmp_path_factory.mktemp("broker")) as running, admitted(Party(running.port)) as cloud:
        for event in TOLD:
            cloud.publish(topic_of(event), events.encode(event), retain=True)
        cloud.publish(DEVICE.event("d"), b"rubbish", retain=True)
        cloud.publish(DEVICE.state, documents.encode(State("ready", BOOT)), retain=True)
        cloud.publish("mirage/v1/rival/north/edge-9/state", b"rubbish", retain=True)
        yield running


def lines(broker: Mosquitto, what: str, count: int) -> list[str]:
    """Run it until so many messages have come, whatever becomes of them."""
    command = [str(SCRIPT), what, "-h", "127.0.0.1", "-p", str(broker.port), "-C", str(count), "-W", "30"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("captions", "2026-09-21T14:13:22Z\tacme/north/edge-1/a\ta person walks to the door"),
        ("alerts", "Parcels\tacme/north/edge-1/b\ta person walks to the door\t/?segment=2"),
        ("videos", "acme/north/edge-1/c\t/api/v1/clips/3.mp4\t48213"),
    ],
)
def test_events_of_one_type_are_lines(broker: Mosquitto, what: str, line: str) -> None:
    assert lines(broker, what, 6) == [line]


def test_budgets_and_unusual_usage_are_lines_of_a_place(broker: Mosquitto) -> None:
    assert sorted(lines(broker, "traffic", 2)) == [
        "mirage.budget.reached\tacme/north\t27300000\t30000000",
        "mirage.usage.unusual\tacme/north/edge-1\t900000\t100000",
    ]


def test_late_events_are_whole(broker: Mosquitto) -> None:
    (line,) = lines(broker, "late", 6)
    assert json.loads(line) == json.loads(events.encode(TOLD[2]))


def test_devices_have_states(broker: Mosquitto) -> None:
    assert lines(broker, "devices", 2) == ["acme/north/edge-1\tready"]


def test_it_says_what_it_takes() -> None:
    done = subprocess.run([str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "events.sh captions|alerts|videos|traffic|late|devices" in done.stderr


def test_shellcheck_has_nothing_to_say() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed: apt-get install shellcheck")
    subprocess.run(["shellcheck", str(SCRIPT)], check=True)


def test_nothing_of_the_repository_is_needed() -> None:
    for example in (SCRIPT, ROOT / "examples" / "python" / "subscriber.py"):
        text = Path(example).read_text("utf-8")
        assert not any(f"import {package}" in text for package in ("wire", "mirage", "cloud", "edge"))
