"""A subscriber that only counts: what paho can do at best on this machine.

python -m mirage.bench.ingest_bare PORT COUNT        prints when it is ready, and the time when it has all
"""

import sys
import threading
import time

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from cloud.subscription import WINDOW
from wire.topics import sem_filter


def main(port: int, count: int) -> None:
    """Count messages of the packets' filter; QoS 1, the window of ingest."""
    ready, done, got = threading.Event(), threading.Event(), [0]
    client = Client(CallbackAPIVersion.VERSION2, client_id="bare", protocol=MQTTProtocolVersion.MQTTv5)

    def connected(
        _client: Client, _data: object, _flags: ConnectFlags, _reason: ReasonCode, _properties: object
    ) -> None:
        client.subscribe(sem_filter("cloud"), qos=1)

    def subscribed(*_: object) -> None:
        ready.set()

    def received(_client: Client, _data: object, _message: MQTTMessage) -> None:
        got[0] += 1
        if got[0] == count:
            done.set()

    client.on_connect, client.on_subscribe, client.on_message = connected, subscribed, received
    wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    wishes.ReceiveMaximum = WINDOW
    client.connect("127.0.0.1", port, properties=wishes)
    client.loop_start()
    ready.wait()
    print("ready", flush=True)  # noqa: T201 -- read by the benchmark
    done.wait()
    print(time.time(), flush=True)  # noqa: T201 -- read by the benchmark
    threading.Event().wait()  # until it is measured, and killed


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
