"""Topic names: exactly those of the protocol."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import topics
from wire.topics import DeviceTopics, Topic, TopicError

DEVICE = DeviceTopics("acme", "site-a", "dev-1")
ROOT = "mirage/v1/acme/site-a/dev-1"


def test_a_device_has_the_documented_topics() -> None:
    assert DEVICE.birth == f"{ROOT}/birth"
    assert DEVICE.state == f"{ROOT}/state"
    assert DEVICE.telemetry == f"{ROOT}/telemetry"
    assert DEVICE.ack == f"{ROOT}/ack"
    assert DEVICE.cmd("ping") == f"{ROOT}/cmd/ping"
    assert DEVICE.cmd("+") == f"{ROOT}/cmd/+"
    assert DEVICE.sem("cam0") == f"{ROOT}/cam0/sem"
    assert DEVICE.event("cam0") == f"{ROOT}/cam0/event"


@pytest.mark.parametrize(
    ("topic", "parsed"),
    [
        (DEVICE.birth, Topic("acme", "site-a", "dev-1", None, "birth")),
        (DEVICE.ack, Topic("acme", "site-a", "dev-1", None, "ack")),
        (DEVICE.sem("cam0"), Topic("acme", "site-a", "dev-1", "cam0", "sem")),
        (DEVICE.event("cam0"), Topic("acme", "site-a", "dev-1", "cam0", "event")),
        (DEVICE.cmd("set-policy"), Topic("acme", "site-a", "dev-1", None, "cmd", "set-policy")),
    ],
)
def test_parse_takes_a_name_apart(topic: str, parsed: Topic) -> None:
    assert topics.parse(topic) == parsed


@pytest.mark.parametrize(
    "topic",
    [
        pytest.param("", id="empty"),
        pytest.param("mirage/v2/acme/site-a/dev-1/birth", id="another version"),
        pytest.param(f"{ROOT}/cam0", id="camera without a leaf"),
        pytest.param(f"{ROOT}/cam0/birth", id="birth of a camera"),
        pytest.param(f"{ROOT}/state/sem", id="camera of a reserved name"),
        pytest.param(f"{ROOT}/cam0/sem/x", id="too long"),
        pytest.param(f"{ROOT}/", id="empty leaf"),
        pytest.param(f"/{ROOT}/birth", id="leading slash"),
        pytest.param("mirage/v1/acme//dev-1/birth", id="empty site"),
        pytest.param("mirage/v1/Acme/site-a/dev-1/birth", id="capital"),
        pytest.param("mirage/v1/acme/site-a/dev-1\n/birth", id="line feed"),
        pytest.param("mirage/v1/+/site-a/dev-1/birth", id="wildcard"),
        pytest.param(f"mirage/v1/acme/site-a/{'d' * 33}/birth", id="33 characters"),
    ],
)
def test_other_names_are_refused(topic: str) -> None:
    with pytest.raises(TopicError):
        topics.parse(topic)


@pytest.mark.parametrize("name", ["birth", "state", "telemetry", "ack", "cmd"])
def test_no_camera_may_have_a_reserved_name(name: str) -> None:
    with pytest.raises(TopicError, match=f"'{name}' is reserved"):
        DEVICE.sem(name)


@pytest.mark.parametrize(
    ("tenant", "site", "device"), [("", "s", "d"), ("t", "#", "d"), ("t", "s", "d/x"), ("é", "s", "d")]
)
def test_ids_are_checked_where_topics_are_made(tenant: str, site: str, device: str) -> None:
    with pytest.raises(TopicError, match="is not 1 to 32"):
        DeviceTopics(tenant, site, device)


@pytest.mark.parametrize("place", [("-", "s", "d"), ("t", "--", "d"), ("t", "s", "-")])
def test_nothing_is_called_by_dashes_alone_anew_but_it_is_read(place: tuple[str, str, str]) -> None:
    device = DeviceTopics(*place)
    assert topics.parse(device.birth) == Topic(*place, None, "birth")
    with pytest.raises(TopicError, match=r"'--?' has neither a letter nor a digit: give it a name"):
        topics.check_names(device, ["gate"])
    assert topics.parse(DEVICE.sem("-")).camera == "-"
    with pytest.raises(TopicError, match="camera '-' has neither"):
        topics.check_names(DEVICE, ["gate", "-"])
    with pytest.raises(TopicError, match="'birth' is reserved"):
        topics.check_names(DEVICE, ["birth"])
    topics.check_names(DEVICE, ["-1", "a-"])


def test_filters_have_the_documented_form() -> None:
    assert topics.sem_filter(None) == "mirage/v1/+/+/+/+/sem"
    assert topics.sem_filter("ingest") == "$share/ingest/mirage/v1/+/+/+/+/sem"
    assert topics.telemetry_filter(None) == topics.TELEMETRY_FILTER
    assert topics.telemetry_filter("ingest") == "$share/ingest.telemetry/mirage/v1/+/+/+/telemetry"
    assert topics.BIRTH_FILTER == "mirage/v1/+/+/+/birth"
    assert topics.STATE_FILTER == "mirage/v1/+/+/+/state"
    with pytest.raises(TopicError, match="group"):
        topics.sem_filter("a/b")


@given(st.text(max_size=80))
def test_arbitrary_names_raise_topic_error(topic: str) -> None:
    with pytest.raises(TopicError):
        topics.parse(topic)
