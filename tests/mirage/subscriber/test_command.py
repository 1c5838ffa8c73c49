"""`mirage subscribe` as people run it, against a real Mosquitto."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mirage.subscriber.command import Wish, silence
from mirage.subscriber.settings import Broker, Settings
from tests.mosquitto import Mosquitto, mosquitto
from tests.party import Party, admitted
from tests.told import BOOT, alert, budget_reached, described, segment, topic_and_payload
from wire import documents
from wire.documents import State
from wire.topics import DeviceTopics

DEVICE = DeviceTopics("acme", "north", "edge-1")
_PATIENCE_S = 60


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as running:
        yield running


@contextmanager
def subscribed(broker: Mosquitto, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command until it listens; what it prints can be read."""
    command = [sys.executable, "-m", "mirage", "subscribe", "--host", "127.0.0.1", "--port", str(broker.port)]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            assert "listening to" in process.stderr.readline()
            yield process
        finally:
            process.kill()


def output(process: subprocess.Popen[str]) -> list[str]:
    """Wait for the end and give the lines of stdout."""
    text, _ = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 0
    return text.splitlines()


def test_events_are_json_lines_each_once_and_the_end_comes_after_so_many(broker: Mosquitto) -> None:
    events = [described(segment(1)), described(segment(1)), described(segment(2, "a van stops"))]
    with subscribed(broker, "--json", "--count", "2") as process, admitted(Party(broker.port)) as cloud:
        for event in events:
            cloud.publish(*topic_and_payload(event))
        documents_ = [json.loads(line) for line in output(process)]
    captions = [document["content"]["data"]["segment"]["caption"] for document in documents_]
    assert captions == ["a person walks to the door", "a van stops"]
    assert {document["kind"] for document in documents_} == {"event"}


def test_only_what_the_filter_says_comes_and_everything_with_kind_all(broker: Mosquitto) -> None:
    with admitted(Party(broker.port)) as cloud:
        cloud.publish(DEVICE.state, documents.encode(State("ready", BOOT)), retain=True)
        options = ("--kind", "all", "--camera", "door", "--count", "2")
        with subscribed(broker, *options) as process:
            cloud.publish(*topic_and_payload(alert(segment(1, camera="acme/north/edge-1/yard"))))
            cloud.publish(*topic_and_payload(alert(segment(2))))
            state, raised = output(process)
    assert state.split()[1:] == ["state", "acme/north/edge-1", "ready"]
    assert "alert" in raised
    assert raised.endswith("acme/north/edge-1/door            Parcels: a person walks to the door")


def test_a_budget_that_is_told_twice_is_one_line_of_its_site(broker: Mosquitto) -> None:
    with subscribed(broker, "--tenant", "acme", "--count", "2") as process:
        with admitted(Party(broker.port)) as cloud:
            for percent in (70, 70, 90):
                cloud.publish(*topic_and_payload(budget_reached("acme/north", percent)))
        lines = output(process)
    assert [line.split()[1:5] for line in lines] == [
        ["budget", "acme/north", "70", "%"], ["budget", "acme/north", "90", "%"],
    ]  # fmt: skip


def test_interrupted_it_ends_well(broker: Mosquitto) -> None:
    with subscribed(broker) as process:
        process.send_signal(signal.SIGINT)
        assert output(process) == []


def test_what_is_no_event_is_told_and_does_not_end_it(broker: Mosquitto) -> None:
    with subscribed(broker, "--count", "1") as process, admitted(Party(broker.port)) as cloud:
        cloud.publish(DEVICE.event("door"), b"rubbish")
        cloud.publish(*topic_and_payload(described(segment(1))))
        assert process.stderr is not None
        assert f"left out: {DEVICE.event('door')}" in process.stderr.readline()
        assert len(output(process)) == 1


def test_it_comes_back_after_the_broker_was_away(broker: Mosquitto) -> None:
    with subscribed(broker, "--count", "1", "--json") as process:
        broker.kill()
        assert process.stderr is not None
        assert "trying again" in process.stderr.readline()
        broker.start()
        while "listening to" not in process.stderr.readline():
            pass
        with admitted(Party(broker.port)) as cloud:
            cloud.publish(*topic_and_payload(described(segment(1))))
            assert len(output(process)) == 1


def test_it_says_why_nothing_may_come(broker: Mosquitto) -> None:
    with subscribed(broker, "--silence", "0.1", "--seconds", "1") as process:
        assert process.stderr is not None
        assert "nothing has come for 0.1 s" in process.stderr.readline()
        assert output(process) == []


def test_the_reasons_name_the_user_and_what_mosquitto_does_not_say() -> None:
    text = silence(Settings(Broker("b", ca="ca", certificate="c", key="k")), Wish())
    assert "does not let our certificate's user read this" in text
    assert "mirage cloud acl" in text
    assert "does not let anybody read" in silence(Settings(Broker("b")), Wish())


def test_no_broker_is_one_line_and_no_success() -> None:
    command = [sys.executable, "-m", "mirage", "subscribe", "--host", "127.0.0.1", "--port", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "mirage: 127.0.0.1:1: connection refused: does a broker listen there?\n"


def test_help_says_that_packets_stay_closed() -> None:
    command = [sys.executable, "-m", "mirage", "subscribe", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "only the cloud opens them" in " ".join(text.split())
