"""A session that the broker resumes, and in which nothing comes, is given up."""

import socket
import threading
import time

from cloud.clock import wall_ms
from cloud.config import Broker
from cloud.subscription import MAX_FRUITLESS, Subscription

CONNACK_RESUMED = bytes.fromhex("2003010000")
CLEAN_START = 2


def test_sessions_that_bring_nothing_are_not_resumed_for_ever() -> None:
    cleans = list[bool]()

    def serve(listener: socket.socket) -> None:
        while len(cleans) <= MAX_FRUITLESS:
            connection, _ = listener.accept()
            with connection:
                connect = connection.recv(4096)
                flags = connect[connect.index(b"\x00\x04MQTT\x05") + 7]
                cleans.append(bool(flags & CLEAN_START))
                connection.sendall(CONNACK_RESUMED)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), name="forgetful-broker")
        thread.start()
        subscription = Subscription(
            Broker(host="127.0.0.1", port=listener.getsockname()[1], envelope="none"), wall_ms
        )
        subscription.open()
        deadline_s = time.monotonic() + 120
        while thread.is_alive() and time.monotonic() < deadline_s:
            assert subscription.next(1, 0.1) == []
        subscription.close()
        thread.join(60)
    assert cleans == [False] * MAX_FRUITLESS + [True]
