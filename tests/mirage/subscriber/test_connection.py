"""A connection to a real Mosquitto, as deploy/broker/ sets it up: who gets in, and what comes again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from cloud.acl import Grant, acl, of_subscriber
from mirage.subscriber.connection import BrokerError, Connection, Message, Will
from mirage.subscriber.settings import Broker
from tests.mosquitto import Mosquitto, mosquitto, shipped
from tests.party import Party, admitted
from tests.pki import EXPIRED, Credentials, Pki
from wire.topics import DeviceTopics

DOOR = DeviceTopics("acme", "north", "edge-1")
RIVAL = DeviceTopics("rival", "north", "edge-2")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def secure(pki: Pki) -> Iterator[Mosquitto]:
    grants = [of_subscriber("viewer", "acme"), Grant("writer.all", (), ("mirage/#",))]
    (pki.folder / "acl").write_text(acl([], grants))
    with mosquitto(pki.folder, shipped(pki.folder)) as broker:
        yield broker


def as_whom(broker: Mosquitto, pki: Pki, credentials: Credentials) -> Broker:
    files = {"certificate": str(credentials.certificate), "key": str(credentials.key)}
    return Broker("127.0.0.1", broker.port, ca=str(pki.ca), **files)


def refusal(broker: Broker) -> str:
    with pytest.raises(BrokerError) as caught:
        Connection(broker)
    return str(caught.value)


def next_of(connection: Connection) -> Message:
    for _ in range(150):
        for message in connection.step(0.1):
            return message
    raise AssertionError("nothing came")


def test_where_no_broker_is_the_address_is_told() -> None:
    assert refusal(Broker("127.0.0.1", 1)) == "127.0.0.1:1: connection refused: does a broker listen there?"
    assert "nowhere.invalid:1883: " in refusal(Broker("nowhere.invalid"))


def test_who_is_refused_is_told_why(secure: Mosquitto, pki: Pki, tmp_path: Path) -> None:
    viewer = as_whom(secure, pki, pki.client("subscriber.viewer"))
    foreign = Pki(tmp_path / "foreign")
    wrong_ca = replace(viewer, ca=str(foreign.ca))
    assert "certificate of the broker is refused" in refusal(wrong_ca)
    assert "does it accept our certificate?" in refusal(
        as_whom(secure, pki, foreign.client("subscriber.viewer"))
    )
    expired = pki.client("subscriber.old", validity=EXPIRED)
    assert "does it accept our certificate?" in refusal(as_whom(secure, pki, expired))
    nobody = replace(viewer, certificate=None, key=None)
    assert "does it want a certificate of ours" in refusal(nobody)
    plain = Broker("127.0.0.1", secure.port)
    assert "does it want TLS (ca)?" in refusal(plain)
    missing = replace(viewer, key="/nowhere/key")
    assert "No such file" in refusal(missing)


def test_a_wrong_password_is_told(tmp_path: Path) -> None:
    config = "user root\nlistener {port} 127.0.0.1\nallow_anonymous false\n"
    (tmp_path / "password").write_text("guess\n")
    with mosquitto(tmp_path, config) as broker:
        us = Broker("127.0.0.1", broker.port, user="us", password_file=str(tmp_path / "password"))
        assert "refuses us: Not authorized: are user and password" in refusal(us)


def test_a_subscriber_hears_its_tenants_events_and_may_not_write(secure: Mosquitto, pki: Pki) -> None:
    connection = Connection(as_whom(secure, pki, pki.client("subscriber.viewer")))
    connection.subscribe("mirage/#", "mirage/v1/+/+/+/+/event")  # granted, and filtered at delivery
    with admitted(Party(secure.port, pki.ca, pki.client("writer.all"))) as writer:
        writer.publish(RIVAL.event("door"), b"of another tenant")
        writer.publish(DOOR.birth, b"no event")
        writer.publish(DOOR.event("door"), b"ours")
    message = next_of(connection)
    assert (message.topic, message.payload) == (DOOR.event("door"), b"ours")
    connection.ack(message)
    connection.publish(DOOR.event("door"), b"forged", retain=False)
    with pytest.raises(BrokerError, match=f"we may not write {DOOR.event('door')}: Not authorized"):
        connection.flush()
    connection.drop()


def test_what_was_not_acknowledged_comes_again_and_what_was_does_not(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        ours = Broker("127.0.0.1", broker.port, client="bridge")
        connection = Connection(ours, session_s=60)
        connection.subscribe("events")
        with admitted(Party(broker.port)) as writer:
            for payload in (b"done", b"not yet"):
                writer.publish("events", payload)
            message = next_of(connection)
            assert message.payload == b"done"
            connection.ack(message)
            connection.close()
            writer.publish("events", b"while away")
        again = Connection(ours, session_s=60)
        payloads = list[bytes]()
        while b"while away" not in payloads:
            payloads.append(next_of(again).payload)
        assert payloads == [b"not yet", b"while away"]
        again.close()


def test_the_will_is_kept_where_a_connection_is_lost_and_not_after_a_goodbye(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, admitted(Party(broker.port), "status") as observer:
        ours = Broker("127.0.0.1", broker.port)
        polite = Connection(ours, will=Will("status", b"gone"))
        polite.publish("status", b"here", retain=True)
        polite.flush()
        polite.close()
        lost = Connection(ours, will=Will("status", b"lost"))
        lost.drop()
        observer.wait_for("status", b"lost")
        assert [heard.payload for heard in observer.heard] == [b"here", b"lost"]


def test_a_broker_that_goes_away_is_told(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        connection = Connection(Broker("127.0.0.1", broker.port))
        broker.kill()
        with pytest.raises(BrokerError, match=f"127.0.0.1:{broker.port}: the connection is lost"):
            next_of(connection)
        connection.drop()
        broker.start()
