"""From one real Mosquitto to another: what Home Assistant hears, whatever goes away and comes back."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from cloud.acl import Grant, acl, of_bridge
from mirage.bridge.run import Bridge
from mirage.bridge.settings import HomeAssistant, PicturesFrom, Settings, load
from mirage.subscriber.settings import Broker, Filter, SettingsError
from tests.cloud.waiting import until
from tests.mirage.bridge.picture_server import picture_of, picture_server
from tests.mosquitto import PERSISTENT, Mosquitto, mosquitto, shipped
from tests.party import Party, admitted
from tests.pki import Pki
from tests.told import BOOT, alert, budget_reached, described, segment, topic_and_payload
from wire import documents
from wire.documents import Birth, CameraInfo, State
from wire.topics import DeviceTopics

DEVICE = DeviceTopics("acme", "north", "edge-1")
ROOT = "mirage-bridge/acme/north/edge-1"
CONFIG = "homeassistant/device/mirage_acme_north_edge-1/config"
EVERYTHING = ("homeassistant/#", "mirage-bridge/#")


def folder(tmp_path: Path, name: str) -> Path:
    made = tmp_path / name
    made.mkdir()
    return made


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Mosquitto]:
    """Mirage's broker."""
    with mosquitto(folder(tmp_path, "here"), PERSISTENT) as broker:
        yield broker


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Mosquitto]:
    """Home Assistant's broker."""
    with mosquitto(folder(tmp_path, "there"), PERSISTENT) as broker:
        yield broker


def settings(here: Mosquitto, there: Mosquitto, pictures: PicturesFrom | None = None) -> Settings:
    return Settings(
        Broker("127.0.0.1", here.port),
        HomeAssistant("127.0.0.1", there.port),
        Filter("acme"),
        pictures,
    )


@contextmanager
def bridging(wanted: Settings, settle_s: float = 3600) -> Iterator[None]:
    """Run a bridge beside the test."""
    stop = threading.Event()
    bridge = Bridge(wanted, settle_s=settle_s)
    thread = threading.Thread(target=bridge.run, args=(stop,), name="bridge")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
        bridge.close()
        assert not thread.is_alive()


def birth(*cameras: str) -> bytes:
    infos = tuple(CameraInfo(name, 640, 360, 25.0) for name in cameras)
    return documents.encode(Birth("edge-1", BOOT, 0, 0, "mirage 1", "tiny", "9f86d081884c7d65", infos))


def announce(device: Party) -> None:
    device.publish(DEVICE.birth, birth("door"), retain=True)
    device.publish(DEVICE.state, documents.encode(State("ready", BOOT)), retain=True)


def last(party: Party, topic: str) -> Any:  # noqa: ANN401 (JSON)
    """Give the last that was heard under a topic: as JSON, empty bytes, or None if nothing was."""
    payloads = [heard.payload for heard in party.heard if heard.topic == topic]
    return None if not payloads else json.loads(payloads[-1]) if payloads[-1] else b""


def test_home_assistant_hears_of_devices_captions_and_alerts(here: Mosquitto, there: Mosquitto) -> None:
    with (
        admitted(Party(here.port)) as mirage,
        admitted(Party(there.port), *EVERYTHING) as assistant,
        bridging(settings(here, there)),
    ):
        assistant.wait_for("mirage-bridge/status", b"online")
        announce(mirage)
        until(lambda: (last(assistant, f"{ROOT}/state") or {}).get("connected") == "ON")
        assert last(assistant, CONFIG)["components"]["door_caption"]["state_topic"] == f"{ROOT}/door/caption"
        for event in (described(segment(1)), alert(segment(1)), alert(segment(1))):
            mirage.publish(*topic_and_payload(event))
        mirage.publish("mirage/v1/rival/north/edge-9/state", documents.encode(State("ready", BOOT)))
        mirage.publish(*topic_and_payload(described(segment(2, "a van stops"))))
        until(lambda: (last(assistant, f"{ROOT}/door/caption") or {}).get("caption") == "a van stops")
        assert [heard.topic for heard in assistant.heard].count(f"{ROOT}/door/alert") == 1
        assert not any("rival" in heard.topic for heard in assistant.heard)
    with admitted(Party(there.port), "mirage-bridge/status") as assistant:
        assistant.wait_for("mirage-bridge/status", b"offline")


def test_a_bridge_that_starts_again_remembers_what_it_told(here: Mosquitto, there: Mosquitto) -> None:
    with admitted(Party(there.port), *EVERYTHING) as assistant:
        with bridging(settings(here, there)), admitted(Party(here.port)) as mirage:
            assistant.wait_for("mirage-bridge/status", b"online")
            mirage.publish(*topic_and_payload(described(segment(1))))
            until(lambda: last(assistant, f"{ROOT}/door/caption"))
        with bridging(settings(here, there), settle_s=0):
            until(lambda: (last(assistant, f"{ROOT}/state") or {}).get("state") == "unknown")
            assert last(assistant, CONFIG)["components"].keys() >= {"door_caption", "door_alert"}


def test_a_device_that_is_taken_back_while_the_bridge_is_away_is_gone_too(
    here: Mosquitto, there: Mosquitto
) -> None:
    with admitted(Party(here.port)) as mirage, admitted(Party(there.port), *EVERYTHING) as assistant:
        announce(mirage)
        with bridging(settings(here, there)):
            until(lambda: "door_caption" in (last(assistant, CONFIG) or {}).get("components", ()))
            until(lambda: last(assistant, f"{ROOT}/state"))
        mirage.publish(DEVICE.state, b"", retain=True)
        with bridging(settings(here, there)):
            until(lambda: last(assistant, CONFIG) == b"")


def test_a_device_that_is_taken_back_is_gone_at_home_assistant(here: Mosquitto, there: Mosquitto) -> None:
    with (
        admitted(Party(here.port)) as mirage,
        admitted(Party(there.port), *EVERYTHING) as assistant,
        bridging(settings(here, there)),
    ):
        announce(mirage)
        until(lambda: last(assistant, f"{ROOT}/state"))
        mirage.publish(DEVICE.state, b"", retain=True)
        until(lambda: last(assistant, CONFIG) == b"")
        until(lambda: last(assistant, f"{ROOT}/state") == b"")


def test_an_alert_waits_while_home_assistants_broker_is_away_and_comes_once(
    here: Mosquitto, there: Mosquitto
) -> None:
    def listening() -> AbstractContextManager[Party]:
        """Come back under one name: its broker keeps what is told before it has."""
        return admitted(Party(there.port, client_id="assistant", session_s=3600), *EVERYTHING)

    with admitted(Party(here.port)) as mirage, bridging(settings(here, there)):
        with listening() as assistant:
            announce(mirage)
            until(lambda: last(assistant, f"{ROOT}/state"))
        there.stop()
        mirage.publish(*topic_and_payload(alert(segment(1))))
        there.start()
        with listening() as assistant:
            until(lambda: last(assistant, f"{ROOT}/door/alert"))
            mirage.publish(*topic_and_payload(alert(segment(2))))
            until(lambda: last(assistant, f"{ROOT}/door/alert")["segment"] == 2)
            alerts = [heard for heard in assistant.heard if heard.topic == f"{ROOT}/door/alert"]
            assert [json.loads(heard.payload)["segment"] for heard in alerts] == [1, 2]


def test_mirages_broker_that_comes_back_is_heard_again(here: Mosquitto, there: Mosquitto) -> None:
    with (
        admitted(Party(there.port), *EVERYTHING) as assistant,
        bridging(settings(here, there)),
    ):
        assistant.wait_for("mirage-bridge/status", b"online")
        here.kill()
        assistant.wait_for("mirage-bridge/status", b"offline")
        here.start()
        with admitted(Party(here.port)) as mirage:
            announce(mirage)
            until(lambda: (last(assistant, f"{ROOT}/state") or {}).get("connected") == "ON")


def test_pictures_come_as_jpeg(here: Mosquitto, there: Mosquitto) -> None:
    with picture_server() as server:
        wanted = settings(here, there, PicturesFrom(server.url))
        with (
            admitted(Party(there.port), *EVERYTHING) as assistant,
            bridging(wanted),
            admitted(Party(here.port)) as mirage,
        ):
            assistant.wait_for("mirage-bridge/status", b"online")
            mirage.publish(*topic_and_payload(budget_reached("acme/north/edge-1")))  # it shows nothing
            mirage.publish(*topic_and_payload(alert(segment(7))))
            assistant.wait_for(f"{ROOT}/door/picture", picture_of("/api/v1/segments/7/thumb.jpg"))
            assert "door_picture" in last(assistant, CONFIG)["components"]
            assert last(assistant, f"{ROOT}/traffic")["event_type"] == "budget_reached"


def test_at_a_broker_of_production_it_needs_no_more_than_a_bridges_rights(
    there: Mosquitto, tmp_path: Path
) -> None:
    pki = Pki(tmp_path / "pki")
    home = pki.client("bridge.home")
    grants = [of_bridge("home", "acme"), Grant("writer.all", (), ("mirage/#",))]
    (pki.folder / "acl").write_text(acl([], grants))
    with (
        mosquitto(pki.folder, shipped(pki.folder)) as secure,
        admitted(Party(secure.port, pki.ca, pki.client("writer.all"))) as mirage,
        admitted(Party(there.port), *EVERYTHING) as assistant,
    ):
        ours = Broker(
            "127.0.0.1", secure.port, ca=str(pki.ca), certificate=str(home.certificate), key=str(home.key)
        )
        wanted = Settings(ours, HomeAssistant("127.0.0.1", there.port), Filter("acme"))
        with bridging(wanted):
            assistant.wait_for("mirage-bridge/status", b"online")
            announce(mirage)
            mirage.publish(*topic_and_payload(described(segment(1))))
            until(lambda: last(assistant, f"{ROOT}/door/caption"))
            assert last(assistant, f"{ROOT}/state")["connected"] == "ON"
            mirage.publish(*topic_and_payload(budget_reached("acme")))
            until(lambda: last(assistant, "mirage-bridge/acme/-/-/traffic"))


def test_the_command_takes_all_back_and_leaves_what_is_not_ours(
    here: Mosquitto, there: Mosquitto, tmp_path: Path
) -> None:
    config = tmp_path / "bridge.toml"
    config.write_text(
        f'[broker]\nhost = "127.0.0.1"\nport = {here.port}\n'
        f'[home_assistant]\nhost = "127.0.0.1"\nport = {there.port}\n'
    )
    with admitted(Party(there.port), *EVERYTHING) as assistant:
        with bridging(load(config)), admitted(Party(here.port)) as mirage:
            announce(mirage)
            until(lambda: last(assistant, f"{ROOT}/state"))
        assistant.publish("homeassistant/device/other/config", b'{"origin": {"name": "x"}}', retain=True)
        command = [
            sys.executable,
            "-m",
            "mirage",
            "bridge",
            "home-assistant",
            "--config",
            str(config),
            "--remove",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "1 device taken back\n"), done.stderr
        until(lambda: last(assistant, CONFIG) == b"")
    with admitted(Party(there.port), *EVERYTHING) as assistant:
        assistant.wait_for_any("homeassistant/device/other/config")
        assert [heard.topic for heard in assistant.heard] == ["homeassistant/device/other/config"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[broker]\nhost = "a"', "home_assistant"),
        ('[broker]\nhost = "a"\n[home_assistant]\nhost = "b"\ntopic_prefix = "a/#"', "topic_prefix"),
        ('[broker]\nhost = "a"\n[home_assistant]\nhost = "b"\nforget_days = -1', "forget_days"),
        ('[broker]\nhost = "a"\n[home_assistant]\nhost = "b"\n[pictures]\nurl = "ftp://x"', "ftp://x"),
        ('[broker]\nhost = "a"\n[home_assistant]\nhost = "b"\n[colours]', "colours"),
    ],
)
def test_settings_that_cannot_be_meant_are_named(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=rf"bridge\.toml: .*{reason}"):
        load(path)


def test_files_are_beside_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text(
        '[broker]\nhost = "a"\nca = "ca.pem"\n[home_assistant]\nhost = "b"\nuser = "u"\n'
        'password_file = "password"\n[pictures]\nurl = "https://m"\ntoken_file = "token"\n'
    )
    found = load(path)
    assert found.broker.ca == str(tmp_path / "ca.pem")
    assert found.home_assistant.password_file == str(tmp_path / "password")
    assert found.pictures is not None
    assert found.pictures.token_file == str(tmp_path / "token")
