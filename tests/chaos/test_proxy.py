"""The fault proxy does to a TCP connection what networks do, and nothing else."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from select import select

import pytest

from mirage.bench.chaos.proxy import FaultProxy, Weather
from mirage.bench.chaos.schedule import Way

PATIENCE_S = 60.0


class Upstream:
    """Answers with what it gets, keeps it, and knows how each connection ended.

    Of what is there at once, the older connection's is read first: what arrived before is kept before.
    """

    def __init__(self) -> None:
        self.received = list[bytearray]()
        self.ends = list[str]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, name="upstream", daemon=True)
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_S)
        self._listener.close()

    def _serve(self) -> None:
        connections = dict[socket.socket, bytearray]()
        with contextlib.ExitStack() as stack:
            while True:
                sockets = [*connections, self._listener]
                select(sockets, [], [])
                # Looked at again: the first look may have passed by what came before that which it saw.
                for each in select(sockets, [], [], 0)[0]:
                    if each is not self._listener:
                        self._answer(each, connections)
                        continue
                    try:
                        connection = stack.enter_context(each.accept()[0])
                    except OSError:
                        return
                    connections[connection] = bytearray()
                    self.received.append(connections[connection])

    def _answer(self, connection: socket.socket, connections: dict[socket.socket, bytearray]) -> None:
        end = "fin"
        try:
            if data := connection.recv(4096):
                connections[connection] += data
                connection.sendall(data)
                return
        except ConnectionError:  # also where the other side no longer wants an answer
            end = "rst"
        del connections[connection]
        connection.close()
        self.ends.append(end)


@contextmanager
def through() -> Iterator[tuple[FaultProxy, Upstream]]:
    upstream = Upstream()
    proxy = FaultProxy(upstream.port, seed=1)
    proxy.start()
    try:
        yield proxy, upstream
    finally:
        proxy.stop()
        upstream.close()


@contextmanager
def client_of(proxy: FaultProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE_S) as client:
        yield client


def read(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = client.recv(size - len(data))
        assert chunk, "the connection has ended"
        data += chunk
    return data


def is_silent(client: socket.socket) -> bool:
    client.settimeout(0.3)
    try:
        return client.recv(1) == b"never"
    except TimeoutError:
        return True
    finally:
        client.settimeout(PATIENCE_S)


def is_reset(proxy: FaultProxy) -> bool:
    """Tell whether a new connection is reset, which may be seen while it is made."""
    try:
        with client_of(proxy) as client:
            client.recv(1)
    except ConnectionResetError:
        return True
    return False


def wait_for(claim: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not claim():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.01)


def test_in_fine_weather_bytes_pass_unchanged() -> None:
    with through() as (proxy, _), client_of(proxy) as client:
        data = bytes(range(256)) * 100
        client.sendall(data)
        assert read(client, len(data)) == data
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
        assert proxy.counts == {"connections": 1}


@pytest.mark.parametrize("reset", [False, True])
def test_a_cut_is_seen_on_both_sides_and_the_next_connection_works(*, reset: bool) -> None:
    with through() as (proxy, upstream):
        with client_of(proxy) as client:
            client.sendall(b"a")
            read(client, 1)
            proxy.cut(reset=reset)
            if reset:
                with pytest.raises(ConnectionResetError):
                    client.recv(1)
            else:
                assert client.recv(1) == b""
        wait_for(lambda: upstream.ends == ["rst" if reset else "fin"])
        with client_of(proxy) as client:
            client.sendall(b"b")
            assert read(client, 1) == b"b"
        assert proxy.counts["cut"] == 1


def test_bytes_vanish_upwards_for_good_while_the_connection_stays() -> None:
    with through() as (proxy, upstream), client_of(proxy) as client:
        client.sendall(b"a")
        read(client, 1)
        proxy.vanish(Way.UP)
        client.sendall(b"lost")
        assert is_silent(client)
        proxy.reappear()
        client.sendall(b"behind what is lost")
        assert is_silent(client), "a stream has no holes"
        assert upstream.received == [b"a"]
        with client_of(proxy) as other:
            other.sendall(b"c")
            assert read(other, 1) == b"c"
        assert proxy.counts["vanished-bytes"] == len(b"lost" + b"behind what is lost")


def test_bytes_vanish_downwards_while_upwards_they_pass() -> None:
    with through() as (proxy, upstream), client_of(proxy) as client:
        proxy.vanish(Way.DOWN)
        client.sendall(b"heard")
        assert is_silent(client)
        wait_for(lambda: upstream.received == [b"heard"])


def test_a_connection_that_has_vanished_both_ways_keeps_its_end_to_itself() -> None:
    with through() as (proxy, upstream):
        with client_of(proxy) as client:
            client.sendall(b"a")
            read(client, 1)
            proxy.vanish(Way.BOTH)
            client.sendall(b"lost")
            wait_for(lambda: proxy.counts.get("vanished-bytes") == 4)
        proxy.reappear()
        with client_of(proxy) as client:
            client.sendall(b"b")
            read(client, 1)
        assert not upstream.ends or upstream.received[0] == b"a"


def test_a_stall_holds_everything_and_loses_nothing() -> None:
    with through() as (proxy, _), client_of(proxy) as client:
        proxy.change(lambda weather: setattr(weather, "stalled", True))
        client.sendall(b"late")
        assert is_silent(client)
        proxy.change(lambda weather: setattr(weather, "stalled", False))
        assert read(client, 4) == b"late"


def test_a_trickle_and_a_delay_change_no_byte() -> None:
    def worsen(weather: Weather) -> None:
        weather.rate_bytes_s = 4000
        weather.delay_s = 0.02

    with through() as (proxy, _), client_of(proxy) as client:
        proxy.change(worsen)
        data = bytes(range(250)) * 2
        client.sendall(data)
        assert read(client, len(data)) == data


def test_a_corrupted_chunk_differs_in_one_bit() -> None:
    with through() as (proxy, upstream), client_of(proxy) as client:
        proxy.change(lambda weather: setattr(weather, "corrupt_share", 1.0))
        client.sendall(bytes(50))
        wait_for(lambda: list(map(len, upstream.received)) == [50])
        assert sum(byte.bit_count() for byte in upstream.received[0]) == 1


def test_refused_connections_are_reset() -> None:
    with through() as (proxy, upstream):
        proxy.change(lambda weather: setattr(weather, "refusing", True))
        assert is_reset(proxy)
        assert upstream.received == []
        assert proxy.counts["refused"] == 1


def test_without_anyone_upstream_connections_are_reset() -> None:
    with through() as (proxy, upstream):
        upstream.close()
        assert is_reset(proxy)
        assert proxy.counts["no-broker"] == 1


def test_what_is_held_is_lost_with_its_connection_and_holds_nobody_up() -> None:
    with through() as (proxy, upstream):
        with client_of(proxy) as client:
            client.sendall(b"a")
            read(client, 1)
            proxy.hold()
            client.sendall(b"lost")
            assert is_silent(client)
            proxy.cut_and_deliver_late(0.0, overtaken=False)
        proxy.cut(reset=True)
        with client_of(proxy) as client:
            client.sendall(b"b")
            assert read(client, 1) == b"b"
        assert upstream.received == [b"a", b"b"]


@pytest.mark.parametrize("overtaken", [False, True])
def test_the_last_bytes_of_a_connection_arrive_after_the_next_has_begun(*, overtaken: bool) -> None:
    with through() as (proxy, upstream):
        with client_of(proxy) as client:
            client.sendall(b"a")
            read(client, 1)
            proxy.hold()
            client.sendall(b"late")
            assert is_silent(client)
            proxy.cut_and_deliver_late(0.2, overtaken=overtaken)
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        assert upstream.received == [b"a"], "nothing comes before the next connection"
        with client_of(proxy) as client:
            client.sendall(b"b")
            first = read(client, 1)
            assert first == b"b"
            if not overtaken:
                assert upstream.received == [b"alate", b"b"]
            wait_for(lambda: upstream.received == [b"alate", b"b"])
        assert (proxy.counts["held-bytes"], proxy.counts["delivered-late"]) == (4, 1)
