"""The broker's access list says exactly what a device may do, and nothing breaks out of its lines."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from hypothesis import given
from hypothesis import strategies as st

from cloud.acl import AclError, Grant, acl, of_bridge, of_cloud, of_device, of_monitor, of_subscriber
from cloud.enrolment import Enrolment, EnrolmentError
from wire.topics import DeviceTopics, TopicError

KEY = generate_private_key(SECP256R1()).public_key()
DOOR = Enrolment(DeviceTopics("acme", "north", "edge-1"), ("door", "yard"), KEY, 1000)
ANYTHING = st.text(min_size=1) | st.sampled_from(["+", "#", "a b", "a\nuser b", "a/b", "../a", "%u", "$SYS"])


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_a_device_gets_its_own_lines_written_out() -> None:
    assert lines_of(acl([DOOR], [])) == [
        "user edge-1",
        "topic write mirage/v1/acme/north/edge-1/birth",
        "topic write mirage/v1/acme/north/edge-1/state",
        "topic write mirage/v1/acme/north/edge-1/telemetry",
        "topic write mirage/v1/acme/north/edge-1/door/sem",
        "topic write mirage/v1/acme/north/edge-1/yard/sem",
        "topic read mirage/v1/acme/north/edge-1/ack",
        "topic read mirage/v1/acme/north/edge-1/cmd/keyframe",
        "topic read mirage/v1/acme/north/edge-1/cmd/ping",
        "topic read mirage/v1/acme/north/edge-1/cmd/set-bundle",
        "topic read mirage/v1/acme/north/edge-1/cmd/set-policy",
        "topic read mirage/v1/acme/north/edge-1/cmd/set-release",
    ]


def test_the_cloud_hears_every_device_and_writes_what_no_device_may() -> None:
    assert lines_of(str(of_cloud("main"))) == [
        "user cloud.main",
        "topic write mirage/v1/+/+/+/ack",
        "topic write mirage/v1/+/+/+/cmd/keyframe",
        "topic write mirage/v1/+/+/+/cmd/ping",
        "topic write mirage/v1/+/+/+/cmd/set-bundle",
        "topic write mirage/v1/+/+/+/cmd/set-policy",
        "topic write mirage/v1/+/+/+/cmd/set-release",
        "topic write mirage/v1/+/+/+/+/event",
        "topic read mirage/v1/+/+/+/birth",
        "topic read mirage/v1/+/+/+/state",
        "topic read mirage/v1/+/+/+/telemetry",
        "topic read mirage/v1/+/+/+/+/sem",
    ]


def test_third_parties_read_events_of_one_tenant_and_monitors_the_broker_only() -> None:
    assert lines_of(str(of_subscriber("viewer", "acme"))) == [
        "user subscriber.viewer",
        "topic read mirage/v1/acme/+/+/+/event",
    ]
    assert lines_of(str(of_bridge("home", "acme"))) == [
        "user bridge.home",
        "topic read mirage/v1/acme/+/+/+/event",
        "topic read mirage/v1/acme/+/+/state",
        "topic read mirage/v1/acme/+/+/birth",
    ]
    assert lines_of(str(of_monitor("ops"))) == ["user monitor.ops", "topic read $SYS/#"]


def test_a_revoked_device_is_not_in_the_list() -> None:
    other = replace(DOOR, device=DeviceTopics("acme", "north", "edge-2"))
    text = acl([replace(DOOR, revoked_ms=2000), other], [of_cloud("main")])
    assert "edge-1" not in text
    assert "user edge-2" in lines_of(text)
    assert "user cloud.main" in lines_of(text)


def test_nobody_is_named_twice() -> None:
    with pytest.raises(AclError, match=r"'cloud\.main' is named 2 times"):
        acl([DOOR], [of_cloud("main"), of_cloud("main")])


@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING)
def test_no_name_of_a_device_breaks_out_of_its_line(tenant: str, site: str, device: str, camera: str) -> None:
    try:
        text = str(of_device(Enrolment(DeviceTopics(tenant, site, device), (camera,), KEY, 0)))
    except (TopicError, EnrolmentError):
        return
    assert len(text.splitlines()) == 11
    assert not set("+#%$ \t") & set("".join(line.split(" ", 2)[-1] for line in text.splitlines()))


@given(ANYTHING, ANYTHING)
def test_no_name_of_a_role_breaks_out_of_its_line(name: str, tenant: str) -> None:
    try:
        text = str(of_subscriber(name, tenant))
    except AclError:
        return
    assert len(text.splitlines()) == 2
    assert text.count("+") == 3


@pytest.mark.parametrize("name", ["", "a b", "a\nuser b", "+", "#", "A", "a.b"])
def test_names_that_are_no_ids_are_refused(name: str) -> None:
    for grant in (
        of_cloud,
        of_monitor,
        lambda each: of_subscriber(each, "acme"),
        lambda each: of_bridge(each, "acme"),
    ):
        with pytest.raises(AclError):
            grant(name)
    with pytest.raises(AclError):
        of_subscriber("viewer", name)


@pytest.mark.parametrize("user", ["edge-1\n", "a b", "", "cloud.main.x", "+"])
def test_users_that_break_the_file_are_refused(user: str) -> None:
    with pytest.raises(AclError, match="neither a device's id"):
        Grant(user, ())
