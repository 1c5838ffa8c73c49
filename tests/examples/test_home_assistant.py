"""The example of the Home Assistant bridge: settings that load, an automation that names what there is."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from msgspec.structs import fields

from mirage.bridge.discovery import ALERT, Facts, Names, Place, document
from mirage.bridge.fleet import Fleet
from mirage.bridge.settings import HomeAssistant, PicturesFrom, load
from mirage.subscriber.connection import Message
from mirage.subscriber.heard import read
from tests.conftest import ROOT
from tests.mosquitto import mosquitto
from tests.party import Party, admitted
from tests.told import alert, segment, topic_and_payload

FOLDER = ROOT / "examples" / "home-assistant"
NAMES = Names("homeassistant", "mirage-bridge")


def test_the_settings_load_as_they_are_and_with_all_that_is_commented_out(tmp_path: Path) -> None:
    assert load(FOLDER / "bridge.toml").filter.tenant == "acme"
    text = (FOLDER / "bridge.toml").read_text("utf-8")
    whole = tmp_path / "bridge.toml"
    whole.write_text(re.sub(r"^# (?=\[|\w+ = )", "", text, flags=re.MULTILINE))
    settings = load(whole)
    assert settings.broker.address == ("127.0.0.1", 8883)
    assert settings.pictures is not None
    for kind in (HomeAssistant, PicturesFrom):
        own = {field.name for field in fields(kind)} - {"port", "client", "ca", "certificate", "key"}
        assert all(f"{name} = " in text for name in own)


def test_the_automation_names_an_entity_and_attributes_that_there_are() -> None:
    automation: dict[str, Any] = yaml.safe_load((FOLDER / "automation.yaml").read_text("utf-8"))
    told = json.loads(document(NAMES, Facts(Place("acme", "north", "edge-1"), ("door",))))
    name = f"{told['device']['name']} {told['components']['door_alert']['name']}"
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")  # as Home Assistant names entities
    assert automation["triggers"][0]["entity_id"] == f"event.{slug}"
    heard = read(Message(*topic_and_payload(alert(segment(1))), False, 1, 1))  # noqa: FBT003
    said = json.loads(Fleet(NAMES).hear(heard, 0)[-1].payload)
    text = json.dumps(automation)
    used = set(re.findall(r"attributes\.(\w+)", text))
    assert used == {"event_type", "alert", "text", "page"}
    assert used <= said.keys()
    assert f"== '{ALERT}'" in text


def test_the_command_runs_with_it_and_ends_when_it_is_told_to(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, admitted(Party(broker.port), "mirage-bridge/status") as assistant:
        config = tmp_path / "bridge.toml"
        text = (FOLDER / "bridge.toml").read_text("utf-8")
        config.write_text(text.replace('host = "127.0.0.1"', f'host = "127.0.0.1"\nport = {broker.port}'))
        command = [sys.executable, "-m", "mirage", "bridge", "home-assistant", "--config", str(config)]
        with subprocess.Popen(command) as process:
            try:
                assistant.wait_for("mirage-bridge/status", b"online")
                process.send_signal(signal.SIGTERM)
                assert process.wait(60) == 0
            finally:
                process.kill()
        assert [heard.payload for heard in assistant.heard] == [b"online", b"offline"]
