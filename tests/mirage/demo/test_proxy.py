"""The proxy forwards every byte unchanged, counts it, and survives what networks do."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mirage.demo.broker import free_port
from mirage.demo.meter import Direction, Tally
from mirage.demo.proxy import counting_proxy

PUBACK = bytes.fromhex("40020001")
PINGREQ = bytes.fromhex("c000")


@contextmanager
def echo_server() -> Iterator[int]:
    """Answers every connection with what it sent; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    while data := connection.recv(4096):
                        connection.sendall(data)

        thread = threading.Thread(target=serve, name="echo", daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(60)


def exchange(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := client.recv(4096):
            answer += chunk
        return answer


def test_bytes_pass_unchanged_and_are_counted_in_both_directions() -> None:
    with echo_server() as upstream, counting_proxy(upstream) as proxy:
        sent = PINGREQ * 1000 + PUBACK * 500
        assert exchange(proxy.port, sent) == sent
        for direction in Direction:
            assert proxy.totals()[direction, "ping"] == Tally(1000, 2000)
            assert proxy.totals()[direction, "receipt"] == Tally(500, 2000)


def test_connections_are_added_up() -> None:
    with echo_server() as upstream, counting_proxy(upstream) as proxy:
        for _ in range(3):
            exchange(proxy.port, PINGREQ)
        assert proxy.totals()[Direction.UP, "ping"] == Tally(3, 6)


def test_without_a_broker_the_client_is_hung_up_on() -> None:
    with counting_proxy(free_port()) as proxy:
        assert exchange(proxy.port, b"") == b""
        assert proxy.totals() == {}


def test_stopping_closes_connections_that_are_still_open() -> None:
    with echo_server() as upstream:
        with counting_proxy(upstream) as proxy:
            client = socket.create_connection(("127.0.0.1", proxy.port), timeout=60)
            client.sendall(PINGREQ)
            assert client.recv(10) == PINGREQ
        assert client.recv(10) == b""
        client.close()
