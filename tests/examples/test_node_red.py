"""The Node-RED flow: whole, with functions that do what they say; it is run where Node-RED is installed."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mirage.demo.broker import free_port
from tests.conftest import ROOT
from tests.mosquitto import mosquitto
from tests.party import Party, admitted
from tests.told import alert, budget_reached, described, segment, topic_and_payload, usage_unusual
from wire import events
from wire.topics import PREFIX

FLOW = ROOT / "examples" / "node-red" / "flow.json"
NODES: list[dict[str, Any]] = json.loads(FLOW.read_text("utf-8"))
BY_ID = {node["id"]: node for node in NODES}
# What Node-RED has without installing anything, and what each of them cannot do without.
CORE = {
    "tab": {"label"},
    "mqtt-broker": {"broker", "port", "protocolVersion", "cleansession", "sessionExpiry"},
    "mqtt in": {"topic", "qos", "datatype", "broker"},
    "json": {"property", "action"},
    "function": {"func", "outputs"},
    "switch": {"property", "propertyType", "rules", "outputs"},
    "debug": {"active", "complete", "targetType"},
}


def test_it_is_made_of_what_node_red_has_and_of_whole_nodes() -> None:
    assert len(BY_ID) == len(NODES)
    for node in NODES:
        assert CORE[node["type"]] <= node.keys(), node["id"]
        if "wires" in node:
            assert BY_ID[node["z"]]["type"] == "tab"
            assert len(node["wires"]) == node.get("outputs", len(node["wires"]))
            assert {"x", "y"} <= node.keys()


def test_every_wire_leads_to_a_node_and_every_node_is_reached() -> None:
    reached = {target for node in NODES for wires in node.get("wires", []) for target in wires}
    assert reached <= BY_ID.keys()
    assert {node["id"] for node in NODES if "wires" in node} - reached == {"mirage-in"}
    assert BY_ID[BY_ID["mirage-in"]["broker"]]["type"] == "mqtt-broker"


def test_it_listens_to_events_and_tells_all_types_apart() -> None:
    assert BY_ID["mirage-in"]["topic"] == f"{PREFIX}/+/+/+/+/event"
    rules = BY_ID["mirage-type"]["rules"]
    assert {rule["v"] for rule in rules} == events.TYPES
    assert BY_ID["mirage-type"]["outputs"] == len(rules)
    assert BY_ID[BY_ID["mirage-type"]["wires"][0][0]]["name"] == "write a notification"


def run_function(node_id: str, payloads: list[dict[str, Any]]) -> list[Any]:
    """Give what a function node makes of messages, one after the other."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed: apt-get install nodejs")
    program = """
        const [func, payloads] = JSON.parse(require("fs").readFileSync(0, "utf8"));
        const kept = {}, context = { get: (key) => kept[key], set: (key, value) => { kept[key] = value; } };
        const run = new Function("msg", "context", func);
        console.log(JSON.stringify(payloads.map((payload) => run({ payload }, context))));
    """
    given = json.dumps([BY_ID[node_id]["func"], payloads])
    done = subprocess.run(["node", "-e", program], input=given, capture_output=True, text=True, check=True)
    made: list[Any] = json.loads(done.stdout)
    return made


def as_json(event: events.Event) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(events.encode(event))
    return document


def test_an_event_that_comes_again_goes_no_further() -> None:
    first, second = as_json(described(segment(1))), as_json(described(segment(2)))
    passed = run_function("mirage-once", [first, first, second, first])
    assert passed == [{"payload": first}, None, {"payload": second}, None]


def test_a_notification_says_what_where_and_when() -> None:
    (made,) = run_function("mirage-notice", [as_json(alert(segment(1, historical=True)))])
    assert made == {
        "topic": "Parcels",
        "payload": "a person walks to the door (acme/north/edge-1/door, 2026-09-21T14:13:22.000Z, late)",
        "page": "/?segment=1",
        "thumbnail": "/api/v1/segments/1/thumb.jpg",
    }


def test_of_traffic_it_says_which_place_sent_how_much() -> None:
    notices = [as_json(budget_reached("acme/north")), as_json(usage_unusual("acme/north/edge-1"))]
    assert run_function("mirage-traffic", notices) == [
        {"topic": "Budget", "payload": "acme/north: 90 % of 30000000 bytes are used"},
        {
            "topic": "Unusual usage",
            "payload": "acme/north/edge-1: sent 900000 bytes in an hour, usual are 100000",
        },
    ]


def lines_until(process: "subprocess.Popen[str]", words: str) -> list[str]:
    """Read what Node-RED logs up to a line with these words."""
    assert process.stdout is not None
    lines = list[str]()
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError("".join(lines))


@pytest.mark.slow
def test_node_red_runs_it(tmp_path: Path) -> None:
    if shutil.which("node-red") is None:
        pytest.skip("Node-RED is not installed: npm install --global node-red")
    with mosquitto(tmp_path) as broker, admitted(Party(broker.port)) as cloud:
        first = topic_and_payload(alert(segment(1), "First"))
        cloud.publish(*first, retain=True)
        flow = tmp_path / "flow.json"
        flow.write_text(FLOW.read_text("utf-8").replace('"1883"', f'"{broker.port}"'))
        command = ["node-red", "--userDir", str(tmp_path / "user"), "--port", str(free_port()), str(flow)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            try:
                said = lines_until(process, "topic: 'First'")  # so it listens
                cloud.publish(*first)
                cloud.publish(*topic_and_payload(alert(segment(2), "Last")))
                said += lines_until(process, "topic: 'Last'")
            finally:
                process.kill()
    assert "".join(said).count("topic: 'First'") == 1
    assert "a person walks to the door (acme/north/edge-1/door" in "".join(said)
