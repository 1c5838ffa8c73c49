"""The broker that tests use is a real one: it starts, dies and comes back on its port."""

from pathlib import Path

from tests.cloud.peer import connected
from tests.mosquitto import PERSISTENT, mosquitto


def test_it_comes_back_on_its_port_after_it_was_killed(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        port = broker.port
        with connected(port, "before") as peer:
            peer.publish("a", b"1")
        broker.kill()
        broker.start()
        assert broker.port == port
        with connected(port, "after") as peer:
            peer.publish("a", b"2")


def test_it_keeps_retained_messages_over_a_stop_when_told_to(tmp_path: Path) -> None:
    with mosquitto(tmp_path, PERSISTENT) as broker:
        with connected(broker.port, "before") as peer:
            peer.publish("a", b"1", retain=True)
        broker.stop()
        assert (tmp_path / "mosquitto.db").stat().st_size > 0
        broker.start()
