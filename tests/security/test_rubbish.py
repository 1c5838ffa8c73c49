"""A broker that sends what is no MQTT is left, and taken again: nobody goes deaf for it."""

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cloud import subscription as subscriptions
from cloud.config import Broker
from cloud.subscription import Subscription
from edge.address import Address
from edge.spool import Spool
from edge.uplink import Parts, Uplink
from tests.edge.cloud import wait_for
from tests.mosquitto import mosquitto
from tests.party import Party, admitted
from tests.security.device import packet
from tests.security.world import DOOR
from wire.documents import Birth

CONNACK = bytes.fromhex("2003000000")
RUBBISH = [
    pytest.param(b"\x32\x10\x00\x0bmirage/\xff\xfe\x00\x00\x00\x01\x00", id="topic that is no text"),
    pytest.param(b"\x32\x05\x00\xffabc", id="topic longer than its message"),
    pytest.param(b"\x32\x02\x00\x00", id="message that ends before its number"),
    pytest.param(b"\x32\x08\x00\x01a\x00\x01\x05\xff\xff", id="property that nobody knows"),
    pytest.param(b"\x40\x00", id="receipt of nothing"),
    pytest.param(b"\x90\x00", id="answer to no subscription"),
    pytest.param(b"\xf0\x00", id="what only begins a login"),
    pytest.param(b"\x32\xff\xff\xff\xff\xff\xff", id="length that does not end"),
    pytest.param(random.Random(1).randbytes(400), id="noise"),
]


class Liar:
    """Listens before a real broker: answers the first connection with rubbish, and passes all others on."""

    def __init__(self, port: int, rubbish: bytes) -> None:
        self._rubbish = rubbish
        self._broker_port = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self._ends = list[socket.socket]()
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, name="liar")
        self._thread.start()

    @property
    def port(self) -> int:
        port: int = self._server.getsockname()[1]
        return port

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(60)
        for end in self._ends:
            end.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self._ends.append(client)
            self.connections += 1
            if self.connections == 1:
                client.recv(4096)
                client.sendall(CONNACK + self._rubbish)
                continue
            broker = socket.create_connection(("127.0.0.1", self._broker_port))
            self._ends.append(broker)
            for source, sink in ((client, broker), (broker, client)):
                threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


@contextmanager
def lying(tmp_path: Path, rubbish: bytes) -> Iterator[tuple[Liar, int]]:
    with mosquitto(tmp_path) as broker:
        liar = Liar(broker.port, rubbish)
        try:
            yield liar, broker.port
        finally:
            liar.close()


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_the_cloud_leaves_a_broker_that_sends_rubbish_and_hears_it_again(
    tmp_path: Path, rubbish: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "_RETRY_S", (0.01, 0.01))
    monkeypatch.setattr(subscriptions, "KEEPALIVE_S", 1)  # what looks like the begin of a message ends
    with lying(tmp_path, rubbish) as (liar, port), capture_logs():
        broker = Broker("127.0.0.1", liar.port, envelope="none")
        subscription = Subscription(broker, lambda: 0)
        subscription.open()
        try:
            wait_for(lambda: not subscription.next(1, 0.01) and subscription.trouble is None)
            with admitted(Party(port)) as device:
                device.publish(DOOR.birth, b"{}")
            wait_for(lambda: DOOR.birth in [each.message.topic for each in subscription.next(1, 0.01)])
        finally:
            subscription.close()


def test_a_subscription_can_be_opened_again(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, admitted(Party(broker.port)) as device, capture_logs():
        subscription = Subscription(Broker("127.0.0.1", broker.port, envelope="none"), lambda: 0)
        for _ in range(2):
            subscription.open()
            wait_for(lambda: not subscription.next(1, 0.01) and subscription.trouble is None)
            device.publish(DOOR.birth, b"{}")
            wait_for(lambda: bool(subscription.next(1, 0.01)))
            subscription.close()


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_a_device_leaves_a_broker_that_sends_rubbish_and_keeps_its_packets(
    tmp_path: Path, rubbish: bytes
) -> None:
    spool = Spool(tmp_path / "spool.db")
    spool.append(0, "door", packet(0))
    birth = Birth(DOOR.device, spool.boot_id.hex(), 0, 1, "test", "small", "0" * 16, ())
    with lying(tmp_path, rubbish) as (liar, port), capture_logs():
        address = Address("127.0.0.1", liar.port, keepalive_s=5, connect_s=2.0, answer_s=0.5)
        uplink = Uplink(address, DOOR, spool, birth, Parts.plain())
        finish = threading.Event()
        thread = threading.Thread(target=uplink.run, args=(finish, 0.0), name="uplink")
        with admitted(Party(port), "mirage/#") as master:
            thread.start()
            try:
                master.wait_for_any(DOOR.sem("door"))
            finally:
                finish.set()
                thread.join(60)
        assert liar.connections >= 2
    assert [item.sequence for item in spool.pending(9)] == [0]
    spool.close()
