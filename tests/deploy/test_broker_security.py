"""A real Mosquitto with deploy/broker/mosquitto.conf and our access list, and parties that mean ill.

Mosquitto answers many forbidden things with success. So these tests look at what arrives: an observer who may
read everything hears a later, permitted message and has not heard the forbidden one before it.
"""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloud.acl import Grant, acl, of_bridge, of_cloud, of_monitor, of_subscriber
from cloud.enrolment import Enrolment
from tests.mosquitto import Mosquitto, mosquitto, shipped
from tests.party import Heard, Party, Will, admitted
from tests.pki import EXPIRED, Credentials, Pki
from wire import notices
from wire.topics import DeviceTopics

DOOR = DeviceTopics("acme", "north", "edge-1")
YARD = DeviceTopics("acme", "north", "edge-2")
RIVAL = DeviceTopics("rival", "north", "edge-3")
STOLEN = DeviceTopics("acme", "north", "edge-4")  # in the access list; its certificate is revoked
EVERYTHING = ("#", "$SYS/#", "mirage/#", "+/+/+/+/+/+/+")


@dataclass(frozen=True)
class Scene:
    """The broker, and who has which certificate."""

    broker: Mosquitto
    pki: Pki
    credentials: dict[str, Credentials]

    def party(self, name: str | None, **wishes: object) -> Party:
        """Be somebody with the certificate of that name, or nobody."""
        credentials = None if name is None else self.credentials[name]
        return Party(self.broker.port, self.pki.ca, credentials, **wishes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("broker")
    pki, foreign = Pki(folder), Pki(folder / "foreign")
    issued = {device.device: pki.device(device) for device in (DOOR, YARD, RIVAL, STOLEN)}
    enrolled = [
        Enrolment(device, ("door",), issued[device.device].private_key.public_key(), 0)
        for device in (DOOR, YARD, RIVAL, STOLEN)
    ]
    users = ("cloud.main", "subscriber.viewer", "bridge.home", "monitor.ops", "observer.all", "stranger.x")
    issued |= {user: pki.client(user) for user in users}
    issued["expired"] = pki.device(DOOR, file="expired", validity=EXPIRED)
    issued["foreign"] = foreign.device(DOOR)
    issued["server"] = Credentials(folder / "server.pem", folder / "server.key", pki.authority.key)
    pki.revoke(issued["edge-4"])
    roles = [of_cloud("main"), of_subscriber("viewer", "acme"), of_bridge("home", "acme"), of_monitor("ops")]
    observer = Grant("observer.all", reads=("#", "$SYS/#"), writes=("#",))
    (folder / "acl").write_text(acl(enrolled, [*roles, observer]))
    with mosquitto(folder, shipped(folder)) as broker:
        yield Scene(broker, pki, issued)


@pytest.fixture
def observer(scene: Scene) -> Iterator[Party]:
    with admitted(scene.party("observer.all"), "mirage/#") as party:
        yield party


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> Callable[[str], bytes]:
    """Make payloads that no other test sends."""
    return lambda what: f"{request.node.name}: {what}".encode()


Payload = Callable[[str], bytes]


@pytest.mark.parametrize("name", [None, "foreign", "expired", "edge-4", "server"])
def test_nobody_gets_in_without_a_current_client_certificate_of_our_authority(
    scene: Scene, name: str | None
) -> None:
    party = scene.party(name)
    assert party.connect() != "Success"
    party.close()
    with admitted(scene.party("edge-1")):
        pass  # the broker is there, and lets others in


def test_nobody_gets_in_without_tls(scene: Scene) -> None:
    party = Party(scene.broker.port)
    assert party.connect() != "Success"
    party.close()


def test_a_stranger_with_a_certificate_of_ours_may_do_nothing(
    scene: Scene, observer: Party, unique: Payload
) -> None:
    with admitted(scene.party("stranger.x"), *EVERYTHING) as stranger:
        stranger.publish(DOOR.sem("door"), unique("forbidden"))
        observer.publish(DOOR.sem("door"), unique("last"))
        observer.wait_for(DOOR.sem("door"), unique("last"))
        assert Heard(DOOR.sem("door"), unique("forbidden")) not in observer.heard
        assert stranger.heard == []


def test_a_device_says_what_is_its_own(scene: Scene, observer: Party, unique: Payload) -> None:
    with admitted(scene.party("edge-1")) as device:
        for topic in (DOOR.birth, DOOR.state, DOOR.telemetry, DOOR.sem("door")):
            assert device.publish(topic, unique("mine"))
            observer.wait_for(topic, unique("mine"))


@pytest.mark.parametrize(
    "topic",
    [
        pytest.param(YARD.birth, id="birth of another device"),
        pytest.param(YARD.state, id="state of another device"),
        pytest.param(YARD.telemetry, id="telemetry of another device"),
        pytest.param(YARD.sem("door"), id="packets of another device"),
        pytest.param(RIVAL.sem("door"), id="packets of another tenant"),
        pytest.param("mirage/v1/rival/north/edge-1/door/sem", id="itself below another tenant"),
        pytest.param("mirage/v1/acme/south/edge-1/birth", id="itself at another site"),
        pytest.param(DOOR.sem("yard"), id="a camera that it does not have"),
        pytest.param(DOOR.event("door"), id="its own event"),
        pytest.param(DOOR.event("-"), id="a notice of itself"),
        pytest.param(notices.topic_of("acme/north"), id="a notice of its site"),
        pytest.param(notices.topic_of("acme"), id="a notice of its tenant"),
        pytest.param(DOOR.ack, id="its own ack"),
        pytest.param(DOOR.cmd("ping"), id="a command to itself"),
        pytest.param(YARD.ack, id="ack of another device"),
        pytest.param(YARD.cmd("set-policy"), id="a command to another device"),
        pytest.param(f"{DOOR.root}/door/sem/more", id="below its own topic"),
        pytest.param("elsewhere", id="outside the protocol"),
        pytest.param("$SYS/broker/uptime", id="what the broker says of itself"),
    ],
)
def test_what_a_device_may_not_say_reaches_nobody(
    scene: Scene, observer: Party, unique: Payload, topic: str
) -> None:
    observer.subscribe("#", "$SYS/#")
    with admitted(scene.party("edge-1")) as device:
        assert not device.publish(topic, unique("forbidden"))
        assert not device.publish(topic, unique("forbidden"), retain=True)
        assert device.publish(DOOR.telemetry, unique("last"))
        observer.wait_for(DOOR.telemetry, unique("last"))
    assert unique("forbidden") not in [heard.payload for heard in observer.heard]


@pytest.mark.parametrize("name", ["cloud.main", "edge-2"])
def test_claiming_another_name_or_client_id_changes_nothing(
    scene: Scene, observer: Party, unique: Payload, name: str
) -> None:
    with (
        admitted(scene.party(name, client_id=name)) as victim,
        admitted(scene.party("edge-1", client_id=name, user=name), *EVERYTHING) as device,
    ):
        assert not device.publish(YARD.ack, unique("forbidden"))
        topic = DOOR.ack if name == "cloud.main" else YARD.telemetry
        assert victim.publish(topic, unique("the victim is still connected"))
        observer.wait_for(topic, unique("the victim is still connected"))
        observer.publish(DOOR.ack, unique("last"))
        device.wait_for(DOOR.ack, unique("last"))
    assert {heard.topic for heard in device.heard} <= {DOOR.ack}


def test_what_waits_for_the_cloud_is_handed_to_nobody_else(
    scene: Scene, observer: Party, unique: Payload
) -> None:
    client = {"client_id": "cloud.main", "session_s": 60}
    with admitted(scene.party("cloud.main", **client), YARD.sem("door")):
        pass
    observer.publish(YARD.sem("door"), unique("secret"))
    with admitted(scene.party("edge-1", **client), DOOR.ack) as device:
        observer.publish(DOOR.ack, unique("last"))
        device.wait_for(DOOR.ack, unique("last"))
        assert {heard.topic for heard in device.heard} == {DOOR.ack}
    with admitted(scene.party("cloud.main", **client)) as cloud:
        cloud.wait_for(YARD.sem("door"), unique("secret"))
    with admitted(scene.party("cloud.main")):
        pass  # ends the session


@pytest.mark.parametrize("filters", [EVERYTHING, (YARD.ack, YARD.cmd("+"), YARD.sem("door"), RIVAL.birth)])
def test_a_device_hears_only_what_is_meant_for_it(
    scene: Scene, observer: Party, unique: Payload, filters: tuple[str, ...]
) -> None:
    observer.publish(YARD.birth, unique("kept"), retain=True)
    with admitted(scene.party("edge-1"), *filters, DOOR.ack, DOOR.cmd("+")) as device:
        for topic in (
            YARD.ack,
            YARD.cmd("ping"),
            YARD.sem("door"),
            YARD.birth,
            RIVAL.birth,
            DOOR.sem("door"),
        ):
            observer.publish(topic, unique("for others"))
        observer.publish(DOOR.cmd("ping"), unique("command"))
        observer.publish(DOOR.ack, unique("last"))
        device.wait_for(DOOR.ack, unique("last"))
        assert Heard(DOOR.cmd("ping"), unique("command")) in device.heard
        assert {heard.topic for heard in device.heard} == {DOOR.cmd("ping"), DOOR.ack}


def test_the_cloud_hears_devices_and_answers(scene: Scene, unique: Payload) -> None:
    filters = ("$share/g/mirage/v1/+/+/+/+/sem", "mirage/v1/+/+/+/birth", "mirage/v1/+/+/+/telemetry")
    with (
        admitted(scene.party("cloud.main"), *filters) as cloud,
        admitted(scene.party("edge-3"), RIVAL.ack, RIVAL.cmd("+")) as device,
    ):
        for topic in (RIVAL.birth, RIVAL.telemetry, RIVAL.sem("door")):
            device.publish(topic, unique("up"))
            cloud.wait_for(topic, unique("up"))
        for topic in (RIVAL.ack, RIVAL.cmd("set-policy")):
            cloud.publish(topic, unique("down"))
            device.wait_for(topic, unique("down"))


def test_the_cloud_cannot_speak_for_a_device(scene: Scene, observer: Party, unique: Payload) -> None:
    with admitted(scene.party("cloud.main")) as cloud:
        for topic in (DOOR.birth, DOOR.state, DOOR.telemetry, DOOR.sem("door"), DOOR.cmd("format-disk")):
            assert not cloud.publish(topic, unique("forbidden"))
        assert cloud.publish(DOOR.event("door"), unique("last"))
    observer.wait_for(DOOR.event("door"), unique("last"))
    assert unique("forbidden") not in [heard.payload for heard in observer.heard]


def test_a_third_party_reads_events_of_its_tenant_only(
    scene: Scene, observer: Party, unique: Payload
) -> None:
    with admitted(scene.party("subscriber.viewer"), *EVERYTHING, "mirage/v1/+/+/+/+/event") as viewer:
        for topic in (DOOR.sem("door"), DOOR.birth, DOOR.ack, DOOR.telemetry, RIVAL.event("door")):
            observer.publish(topic, unique("not for third parties"))
        assert not viewer.publish(DOOR.event("door"), unique("forged"))
        observer.publish(YARD.event("door"), unique("last"))
        viewer.wait_for(YARD.event("door"), unique("last"))
    assert {heard.topic for heard in viewer.heard} == {YARD.event("door")}


@pytest.mark.parametrize("reader", ["subscriber.viewer", "bridge.home"])
def test_notices_of_its_tenant_reach_a_third_party_from_the_cloud(
    scene: Scene, unique: Payload, reader: str
) -> None:
    topics = [notices.topic_of(place) or "" for place in ("acme", "acme/north", "acme/north/edge-1")]
    with (
        admitted(scene.party(reader), "mirage/v1/+/+/+/+/event") as party,
        admitted(scene.party("cloud.main")) as cloud,
    ):
        assert cloud.publish(notices.topic_of("rival") or "", unique("of another tenant"))
        for topic in topics:
            assert not party.publish(topic, unique("forged"))
            assert cloud.publish(topic, unique("notice"))
            party.wait_for(topic, unique("notice"))
    assert party.heard == [Heard(topic, unique("notice")) for topic in topics]


def test_a_bridge_reads_events_states_and_births_of_its_tenant_only(
    scene: Scene, observer: Party, unique: Payload
) -> None:
    with admitted(scene.party("bridge.home"), *EVERYTHING, "mirage/v1/+/+/+/+/event") as bridge:
        for topic in (DOOR.sem("door"), DOOR.ack, DOOR.telemetry, DOOR.cmd("ping"), RIVAL.state, RIVAL.birth):
            observer.publish(topic, unique("not for bridges"))
        assert not bridge.publish(DOOR.event("door"), unique("forged"))
        assert not bridge.publish(DOOR.state, unique("forged"))
        for topic in (DOOR.event("door"), DOOR.state, YARD.birth):
            observer.publish(topic, unique("last"))
            bridge.wait_for(topic, unique("last"))
    assert unique("not for bridges") not in [heard.payload for heard in bridge.heard]


def test_a_monitor_reads_what_the_broker_says_of_itself_only(
    scene: Scene, observer: Party, unique: Payload
) -> None:
    with admitted(scene.party("monitor.ops"), "#", "mirage/#") as monitor:
        observer.publish(DOOR.sem("door"), unique("not for monitors"))
        monitor.subscribe("$SYS/broker/version")
        monitor.wait_for_any("$SYS/broker/version")
    assert {heard.topic for heard in monitor.heard} == {"$SYS/broker/version"}


def test_the_will_of_a_device_that_is_gone_is_published(
    scene: Scene, observer: Party, unique: Payload
) -> None:
    with admitted(scene.party("edge-1", will=Will(DOOR.state, unique("lost")))) as device:
        device.vanish()
        observer.wait_for(DOOR.state, unique("lost"))


@pytest.mark.parametrize("topic", [YARD.state, DOOR.ack, RIVAL.birth])
def test_a_will_is_no_way_around_the_access_list(
    scene: Scene, observer: Party, unique: Payload, topic: str
) -> None:
    party = scene.party("edge-1", will=Will(topic, unique("forbidden")))
    if party.connect() == "Success":
        party.vanish()
    party.close()
    with admitted(scene.party("edge-1")) as device:
        device.publish(DOOR.telemetry, unique("last"))
        observer.wait_for(DOOR.telemetry, unique("last"))
    assert unique("forbidden") not in [heard.payload for heard in observer.heard]


def test_who_sends_more_than_a_frame_is_thrown_out_and_nobody_else(
    scene: Scene, observer: Party, unique: Payload
) -> None:
    with admitted(scene.party("edge-2")) as bystander, admitted(scene.party("edge-1")) as device:
        assert device.publish(DOOR.sem("door"), bytes(65536))
        assert not device.publish(DOOR.sem("door"), bytes(80_000))
        assert bystander.publish(YARD.telemetry, unique("last"))
        observer.wait_for(YARD.telemetry, unique("last"))
    assert max(len(heard.payload) for heard in observer.heard) == 65536


def test_rubbish_before_the_handshake_disturbs_nobody(scene: Scene) -> None:
    with socket.create_connection(("127.0.0.1", scene.broker.port)) as connection:
        connection.sendall(bytes(range(256)) * 64)
    with admitted(scene.party("edge-1")):
        pass


def test_a_device_takes_nothing_from_a_share_whose_name_it_does_not_know(
    scene: Scene, unique: Payload
) -> None:
    # Who knows it can: Mosquitto picks a member of the group first, and asks the access list then.
    packets = "mirage/v1/+/+/+/+/sem"
    with (
        admitted(scene.party("cloud.main"), f"$share/secret/{packets}") as cloud,
        admitted(scene.party("edge-3"), f"$share/cloud/{packets}", packets) as thief,
        admitted(scene.party("edge-1")) as device,
    ):
        for number in range(10):
            device.publish(DOOR.sem("door"), unique(str(number)))
        cloud.wait_for(DOOR.sem("door"), unique("9"))
        assert [heard.payload for heard in cloud.heard] == [unique(str(number)) for number in range(10)]
        assert thief.heard == []
