"""One connection: proven on both sides, noticed when it is dead, and never more than the broker takes."""

import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from cloud.authority import server_certificate
from edge.address import Address
from edge.link import Link, LinkError
from edge.message import Message
from edge.tls import Tls, TlsError
from mirage.demo.broker import LoopbackBroker
from mirage.demo.proxy import CountingProxy
from tests.edge.cloud import TOPICS, wait_for
from tests.edge.wire_broker import ACCEPTED, Answer, WireBroker, polite
from tests.mosquitto import mosquitto
from tests.pki import EXPIRED, VALID, Pki, new_key, pem_of

SEM = TOPICS.sem("door")
MUTUAL = """\
user root
listener {port} 127.0.0.1
allow_anonymous true
require_certificate true
"""


def ignore(_topic: str, _payload: bytes) -> None:
    """Take a message and do nothing with it."""


def link_to(port: int, tls: Tls | None = None, answer_s: float = 30.0, host: str = "127.0.0.1") -> Link:
    address = Address(host, port, tls, connect_s=5.0, answer_s=answer_s)
    return Link(address, "jetson-1", None, ignore)


def run(link: Link, until: Callable[[], bool]) -> None:
    def stepped() -> bool:
        link.step(0.02)
        return until()

    wait_for(stepped)


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path / "pki")


@pytest.fixture
def secure(tmp_path: Path, pki: Pki) -> Iterator[int]:
    """Run a broker that wants a certificate; gives its port."""
    folder = tmp_path / "broker"
    folder.mkdir()
    with mosquitto(folder, config_of(pki.folder)) as broker:
        yield broker.port


def config_of(folder: Path) -> str:
    files = f"cafile {folder}/ca.pem\ncertfile {folder}/server.pem\nkeyfile {folder}/server.key\n"
    return MUTUAL + files


def tls_of(pki: Pki, **device: object) -> Tls:
    own = pki.device(TOPICS, **device)  # type: ignore[arg-type]
    return Tls(str(pki.ca), str(own.certificate), str(own.key))


def test_both_sides_prove_themselves(secure: int, pki: Pki) -> None:
    link = link_to(secure, tls_of(pki))
    link.publish(Message(SEM, b"packet"))
    run(link, lambda: link.in_flight == 0)
    link.close()
    link.drop()


def refusal(port: int, tls: Tls | None, host: str = "127.0.0.1") -> str:
    with pytest.raises(LinkError) as caught:
        link_to(port, tls, host=host)
    text = str(caught.value)
    assert text.startswith(f"{host}:{port}: ")
    assert "\n" not in text
    assert "_ssl.c" not in text
    return text


def test_a_broker_of_an_unknown_authority_is_refused(secure: int, pki: Pki, tmp_path: Path) -> None:
    own, other = tls_of(pki), Pki(tmp_path / "other")
    text = refusal(secure, Tls(str(other.ca), own.certificate, own.key))
    assert "certificate of the broker is refused: " in text
    assert "issuer" in text or "self-signed" in text or "signature" in text


def broker_with(pki: Pki, hosts: tuple[str, ...], *, expired: bool = False) -> str:
    """Give the broker another certificate; returns its configuration."""
    key = new_key()
    made = server_certificate(pki.authority, key.public_key(), hosts, EXPIRED if expired else VALID)
    (pki.folder / "server.pem").write_bytes(made)
    (pki.folder / "server.key").write_bytes(pem_of(key))
    return config_of(pki.folder)


def test_a_broker_whose_certificate_has_expired_is_refused(tmp_path: Path, pki: Pki) -> None:
    config = broker_with(pki, ("localhost", "127.0.0.1"), expired=True)
    with mosquitto(tmp_path, config) as broker:
        assert "certificate has expired" in refusal(broker.port, tls_of(pki))


def test_a_broker_with_the_certificate_of_another_is_refused(tmp_path: Path, pki: Pki) -> None:
    with mosquitto(tmp_path, broker_with(pki, ("elsewhere.example",))) as broker:
        text = refusal(broker.port, tls_of(pki))
        assert "certificate of the broker is refused: " in text
        assert "not valid for '127.0.0.1'" in text
        text = refusal(broker.port, tls_of(pki), host="localhost")
        assert "not valid for 'localhost'" in text


def test_a_device_of_an_unknown_authority_is_told_so(secure: int, pki: Pki, tmp_path: Path) -> None:
    own = tls_of(Pki(tmp_path / "other"))
    assert "certificate of this device" in refusal(secure, Tls(str(pki.ca), own.certificate, own.key))


def test_a_device_whose_certificate_has_expired_is_told_so(secure: int, pki: Pki) -> None:
    assert "certificate of this device" in refusal(secure, tls_of(pki, validity=EXPIRED))


def test_a_device_without_tls_does_not_get_in(secure: int) -> None:
    refusal(secure, None)


def test_a_broker_without_tls_is_not_trusted_with_anything(pki: Pki) -> None:
    broker = WireBroker(polite)
    assert "TLS: " in refusal(broker.port, tls_of(pki))
    broker.close()
    assert not any(b"jetson-1" in rest for _, rest in broker.packets)


def test_files_that_have_gone_are_named_at_the_next_connection(pki: Pki) -> None:
    tls = tls_of(pki)
    assert tls.certificate is not None
    Path(tls.certificate).unlink()
    with pytest.raises(TlsError, match=f"{tls.certificate}: No such file"):
        tls.context()
    assert f"{tls.certificate}: No such file" in refusal(9, tls)


def test_a_renewed_certificate_is_used_without_a_restart(secure: int, pki: Pki) -> None:
    expired = tls_of(pki, validity=EXPIRED)
    refusal(secure, expired)
    assert tls_of(pki) == expired  # the same files
    link = link_to(secure, expired)
    link.drop()


def served(answer: Answer, answer_s: float = 30.0) -> tuple[WireBroker, Link]:
    broker = WireBroker(answer)
    return broker, link_to(broker.port, answer_s=answer_s)


def silent_for(kind: int) -> Answer:
    return lambda first, rest: b"" if first >> 4 == kind else polite(first, rest)


def test_a_publication_that_is_never_acknowledged_ends_the_connection() -> None:
    broker, link = served(silent_for(3), answer_s=0.4)
    link.publish(Message(SEM, b"packet"))
    with pytest.raises(LinkError, match="broker has acknowledged nothing for"):
        run(link, lambda: False)
    link.drop()
    broker.close()


def test_a_subscription_that_is_never_acknowledged_ends_the_connection() -> None:
    broker, link = served(silent_for(8), answer_s=0.4)
    link.subscribe(TOPICS.ack)
    with pytest.raises(LinkError, match="broker has acknowledged nothing for"):
        run(link, lambda: False)
    link.drop()
    broker.close()


def test_a_connection_on_which_nothing_waits_may_be_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    broker, link = served(polite, answer_s=30.0)
    link.publish(Message(SEM, b"packet"))
    run(link, lambda: link.in_flight == 0)
    true_s = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: true_s() + 40.0)
    link.step(0.02)
    link.publish(Message(SEM, b"packet"))  # the silence before it does not count
    run(link, lambda: link.in_flight == 0)
    link.drop()
    broker.close()


@pytest.mark.parametrize("kind", ["random bytes", "a packet of random content"])
def test_a_broker_that_sends_rubbish_ends_the_connection_and_nothing_else(kind: str) -> None:
    chance = random.Random(kind)

    def rubbish(first: int, _rest: bytes) -> bytes:
        if first >> 4 == 1:
            return ACCEPTED
        if first >> 4 != 8:
            return b""
        content = chance.randbytes(chance.randint(1, 60))
        if kind == "random bytes":
            return content
        return bytes((chance.randint(0, 255), len(content))) + content

    broker, ended = WireBroker(rubbish), 0
    for _ in range(300):
        link = link_to(broker.port)
        link.subscribe(TOPICS.ack)
        try:
            for _ in range(3):
                link.step(0.002)
        except LinkError:
            ended += 1
        link.drop()
    broker.close()
    assert ended > 20


@pytest.mark.parametrize("topic", [b"\xff\xfe", b"", b"a/+/#", b"mirage/v1/x\0y"])
def test_a_topic_that_is_none_does_not_stop_the_device(topic: bytes) -> None:
    body = len(topic).to_bytes(2, "big") + topic + b"\0payload"
    message = bytes((0x30, len(body))) + body

    def answer(first: int, rest: bytes) -> bytes:
        return polite(first, rest) + (message if first >> 4 == 8 else b"")

    broker, link = served(answer)
    link.subscribe(TOPICS.ack)
    try:
        for _ in range(5):
            link.step(0.02)
    except LinkError:
        pass  # a broker that does so is not worth a connection
    link.drop()
    broker.close()


def limited(property_bytes: str) -> Answer:
    """Accept with a property."""
    content = bytes.fromhex(property_bytes)
    connack = bytes((0x20, 3 + len(content), 0, 0, len(content))) + content
    return partial(polite, connack=connack)


def test_no_packet_is_larger_than_the_broker_takes() -> None:
    broker, link = served(limited("27000000c8"))
    room = 200 - link.size_of(Message(SEM, b""))
    for length in (room - 1, room, room + 1):
        message = Message(SEM, bytes(length))
        assert link.takes(message) == (length < room)  # from 128 bytes on, the length takes two bytes
    assert link.publish(Message(SEM, bytes(room - 1))) == 200
    with pytest.raises(LinkError, match=f"{SEM} is 201 bytes, broker takes 200"):
        link.publish(Message(SEM, bytes(room)))
    link.drop()
    broker.close()


def test_no_more_messages_are_under_way_than_the_broker_allows() -> None:
    waiting, most = list[bytes](), list[int]()

    def slow(first: int, rest: bytes) -> bytes:
        if first >> 4 != 3:
            return limited("210003")(first, rest)
        waiting.append(polite(first, rest))
        most.append(len(waiting))
        if len(waiting) < 3:
            return b""
        answers = b"".join(waiting)
        waiting.clear()
        return answers

    broker, link = served(slow)
    assert link.window == 3
    for _ in range(12):
        link.publish(Message(TOPICS.birth, b"birth", retain=True))
    run(link, lambda: link.in_flight == 0)
    assert max(most) == 3
    link.drop()
    broker.close()


def test_what_is_sent_once_does_not_wait_for_an_answer() -> None:
    broker, link = served(silent_for(3), answer_s=0.1)
    link.publish(Message(TOPICS.telemetry, b"record", qos=0))
    assert link.in_flight == 0
    for _ in range(10):
        link.step(0.02)
    link.drop()
    broker.close()


def test_the_size_of_a_packet_is_known_before_it_is_sent(broker: LoopbackBroker) -> None:
    proxy = CountingProxy("127.0.0.1", broker.port)
    proxy.start()
    link = link_to(proxy.port)
    seen = 0
    for length in (0, 1, 60, 61, 62, 63, 64, 65, 66, 67, 68, 118, 119, 200, 16_300, 16_400):
        for topic in ("door", "yard"):
            message = Message(TOPICS.sem(topic), bytes(length))
            size = link.size_of(message)
            assert link.publish(message) == size
            run(link, lambda: link.in_flight == 0)
            total = sum(tally.bytes for (_, kind), tally in proxy.totals().items() if kind == "sem")
            assert total - seen == size
            seen = total
    link.close()
    link.drop()
    proxy.stop()
