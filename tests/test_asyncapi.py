"""`docs/asyncapi.yaml`: a valid document, whose schemas, topics and roles are those of the code."""

import copy
import json
from pathlib import Path
from typing import get_args

import jsonschema
import pytest

from cloud.acl import Grant, of_bridge, of_cloud, of_device, of_subscriber
from cloud.enrolment import Enrolment
from tests.asyncapi import Document, Json, normal, official_schema, schemas_of
from tests.pki import new_key
from tests.wire.test_events import DESCRIBED, RAISED, RENDERED
from tests.wire.test_notices import REACHED, UNUSUAL
from wire import documents, events, packet, telemetry, topics
from wire.documents import Ack, AckWatermark, Birth, CameraInfo, Command, Reply, State
from wire.envelope import PlainEnvelope
from wire.topics import DeviceTopics

DOCUMENT = Document()
DEVICE = DeviceTopics("acme", "north", "edge-1")
BOOT = "0a1b2c3d4e5f6071"
EVENTS: tuple[type, ...] = get_args(events.Event)
STRUCTS = schemas_of([*get_args(documents.Document), *EVENTS])
EVENT_NAMES = {kind.__name__ for kind in EVENTS}
WORDS = {"tenant": "acme", "site": "north", "device": "edge-1", "camera": "door"}
CHANNELS = DOCUMENT.names("channels")
OPERATIONS = DOCUMENT.names("operations")
ENROLMENT = Enrolment(DEVICE, ("door",), new_key().public_key(), 0)
GRANTS = {
    "device": of_device(ENROLMENT),
    "cloud": of_cloud("main"),
    "subscriber": of_subscriber("viewer", "acme"),
    "bridge": of_bridge("home", "acme"),
}
MESSAGES: list[tuple[str, bytes]] = [
    ("Birth", documents.encode(
        Birth("edge-1", BOOT, 1_790_000_000_000, 40, "mirage 1", "tiny", "9f86d081884c7d65",
              (CameraInfo("door", 1920, 1080, 29.97),), key_id=7, wrapped_key="AA", signature="BB"),
    )),
    ("State", documents.encode(State("lost", BOOT))),
    ("Ack", documents.encode(Ack({BOOT: AckWatermark(41, ((7, 7), (12, 14)))}, 1_790_000_100_000))),
    ("Command", documents.encode(Command("c1", 5, {"planes": 8, "vector": True, "style": "", "x": None}))),
    ("Reply", documents.encode(Reply("c1", ok=False, detail="no", result={"rate": 1.5}))),
    ("SegmentDescribed", events.encode(DESCRIBED)),
    ("ClipRendered", events.encode(RENDERED)),
    ("AlertRaised", events.encode(RAISED)),
    ("BudgetReached", events.encode(REACHED)),
    ("UsageUnusual", events.encode(UNUSUAL)),
]  # fmt: skip


def validator(schema: Json) -> "jsonschema.Draft7Validator":
    return jsonschema.Draft7Validator(schema)


def address(channel: str) -> str:
    return str(DOCUMENT.at("channels", channel, "address"))


def test_it_is_a_valid_document_of_asyncapi_3() -> None:
    validator(official_schema()).validate(DOCUMENT.whole)


@pytest.mark.parametrize("path", [("info", "title"), ("channels", "event", "address"), ("asyncapi",)])
def test_the_official_schema_refuses_what_is_none(path: tuple[str, ...]) -> None:
    spoilt = copy.deepcopy(DOCUMENT.whole)
    part = spoilt
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = 5
    assert not validator(official_schema()).is_valid(spoilt)


def test_every_reference_leads_somewhere() -> None:
    DOCUMENT.resolved(DOCUMENT.whole)


@pytest.mark.parametrize("name", STRUCTS)
def test_a_schema_says_what_the_code_says_field_by_field(name: str) -> None:
    ours, codes = normal(DOCUMENT.schema(name)), normal(STRUCTS[name])
    if name in EVENT_NAMES:
        assert isinstance(codes, dict)
        codes["required"] = sorted([*codes["required"], "specversion"])  # type: ignore[misc]
    assert ours == codes


def test_the_code_too_wants_a_version_in_every_event() -> None:
    document = json.loads(events.encode(DESCRIBED))
    del document["specversion"]
    with pytest.raises(events.EventError, match="specversion"):
        events.decode(json.dumps(document).encode())


def test_there_is_no_schema_of_what_the_code_does_not_know() -> None:
    parts = {"Binary", "Id", "Hex16", "Label", "Milliseconds", "Sequence", "Url", "Count", "Values"}
    assert set(DOCUMENT.names("components", "schemas")) == STRUCTS.keys() | parts


@pytest.mark.parametrize(("name", "data"), MESSAGES, ids=[name for name, _ in MESSAGES])
def test_what_the_code_writes_fits_its_schema(name: str, data: bytes) -> None:
    schema = validator(DOCUMENT.schema(name))
    schema.validate(json.loads(data))
    required = DOCUMENT.schema(name)["required"]
    assert isinstance(required, list)
    for field in required:
        assert not schema.is_valid({key: value for key, value in json.loads(data).items() if key != field})


@pytest.mark.parametrize(("message", "example", "payload"), list(DOCUMENT.examples()))
def test_an_example_fits_its_schema_and_the_code_reads_it(message: str, example: str, payload: Json) -> None:
    schema = DOCUMENT.resolved(DOCUMENT.at("components", "messages", message, "payload"))
    validator(schema).validate(payload)
    data = json.dumps(payload).encode()
    readers = {
        "birth": documents.decode_birth,
        "state": documents.decode_state,
        "ack": documents.decode_ack,
        "command": documents.decode_command,
    }
    assert readers.get(message, events.decode)(data), example


def test_the_document_tells_of_every_type_of_event() -> None:
    messages = DOCUMENT.names("channels", "event", "messages")
    assert {DOCUMENT.at("channels", "event", "messages", name, "name") for name in messages} == events.TYPES


@pytest.mark.parametrize("message", DOCUMENT.names("components", "messages"))
def test_every_message_has_an_example_or_says_what_is_sealed(message: str) -> None:
    whole = DOCUMENT.at("components", "messages", message)
    assert isinstance(whole, dict)
    binary = whole["contentType"] == "application/octet-stream"
    assert ("examples" in whole) is not binary
    assert not binary or whole.keys() & {"x-golden", "x-inside"} or message == "record"
    expected = {"event": events.CONTENT_TYPE, "json": "application/json"}
    if str(whole["name"]) in events.TYPES:
        assert whole["contentType"] == expected["event"]
    elif not binary:
        assert whole["contentType"] == expected["json"]


def golden(message: str) -> bytes:
    """Give the body of a frame that the document shows."""
    whole = DOCUMENT.at("components", "messages", message, "x-golden")
    assert isinstance(whole, list)
    assert isinstance(whole[0], dict)
    return PlainEnvelope().unwrap(bytes.fromhex(str(whole[0]["hex"])), "")


def test_the_code_reads_the_packet_that_is_shown() -> None:
    found = packet.Packet.parse(golden("packet"))
    assert (found.sequence, found.captured_ms, found.duration_ms, found.refresh) == (5, 20_000, 2000, True)
    assert found.layers == {packet.Layer.CAPTION: b"hi"}


def test_the_code_reads_the_reply_that_is_shown() -> None:
    body = golden("reply")
    assert body[0] == telemetry.REPLY
    assert documents.decode_reply(body[1:]) == Reply("c1", ok=True)


def test_channels_are_the_topics_of_the_code() -> None:
    verb = topics.VERBS[0]
    shown = {channel: address(channel).format(**WORDS, verb=verb) for channel in CHANNELS}
    assert shown == {
        "birth": DEVICE.birth,
        "state": DEVICE.state,
        "telemetry": DEVICE.telemetry,
        "ack": DEVICE.ack,
        "command": DEVICE.cmd(verb),
        "sem": DEVICE.sem("door"),
        "event": DEVICE.event("door"),
    }
    leaves = {topics.parse(topic).leaf for topic in shown.values()}
    assert leaves == topics.DEVICE_LEAVES | topics.CAMERA_LEAVES | {"cmd"}
    for channel in CHANNELS:
        named = set(DOCUMENT.names("channels", channel, "parameters"))
        assert named == {part.strip("{}") for part in address(channel).split("/") if part[0] == "{"}


def test_verbs_and_reserved_names_are_those_of_the_code() -> None:
    assert DOCUMENT.at("components", "parameters", "verb", "enum") == list(topics.VERBS)
    described = str(DOCUMENT.at("components", "parameters", "camera", "description"))
    assert all(name in described for name in topics.RESERVED)


@pytest.mark.parametrize("role", GRANTS)
def test_a_role_does_what_the_access_list_lets_it(role: str) -> None:
    grant: Grant = GRANTS[role]
    sends, hears = set[str](), set[str]()
    for operation in OPERATIONS:
        whole = DOCUMENT.resolved(DOCUMENT.at("operations", operation))
        assert isinstance(whole, dict)
        if whole["tags"] == [DOCUMENT.at("components", "tags", role)]:
            channel = whole["channel"]
            assert isinstance(channel, dict)
            (sends if whole["action"] == "send" else hears).add(str(channel["address"]).rpartition("/")[2])
    assert sends == {_last(topic) for topic in grant.writes}
    assert hears == {_last(topic) for topic in grant.reads}


def _last(topic: str) -> str:
    return "{verb}" if "/cmd/" in topic else topic.rpartition("/")[2]


@pytest.mark.parametrize(
    ("operation", "qos", "retain"),
    [
        ("deviceSendsBirth", 1, True),
        ("deviceSendsState", 1, True),
        ("deviceSendsPackets", 1, False),
        ("deviceSendsTelemetry", 0, False),
        ("cloudSendsAck", 1, True),
        ("cloudSendsCommands", 1, False),
        ("cloudSendsEvents", 1, False),
    ],
)
def test_what_is_sent_has_the_quality_of_the_contract(operation: str, qos: int, retain: object) -> None:
    assert DOCUMENT.at("operations", operation, "bindings", "mqtt", "qos") == qos
    assert DOCUMENT.at("operations", operation, "bindings", "mqtt", "retain") is retain


def test_layouts_are_where_the_document_says() -> None:
    text = (Path(__file__).parent.parent / "docs" / "asyncapi.yaml").read_text("utf-8")
    named = {part for part in text.split("`") if part.startswith(("wire/", "edge/", "tests/"))}
    assert len(named) > 10
    for path in named:
        assert (Path(__file__).parent.parent / path).is_file(), path
