"""How long after a device has made a packet a third party is told what it shows.

    made --spool, uplink--> broker --> ingest --> derived, outbox --> publisher --> broker --> subscriber

Packets come at odd moments, one at a time: the way is measured, and no queue.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from mirage.bench.cloud.device import reel
from mirage.bench.cloud.stage import stage
from mirage.bench.cloud.timing import p95, summary
from mirage.bench.report import Gate
from mirage.demo.setup import CAMERA_PATH
from mirage.errors import DemoError
from mirage.recordings import Opened
from wire import events

TARGET_S = 1.0  # as for a click that needs nothing to be made
_SETTINGS = "\n[events]\nenabled = true\n"
_PAUSES_S = (0.1, 0.6)  # between an event and the next packet
_TIMEOUT_S = 30.0

Measured = tuple[dict[str, object], tuple[Gate, ...]]


class _Told(NamedTuple):
    """When a subscriber had an event, by its own clock, and when the cloud knew (Unix epoch)."""

    at_s: float
    known_ms: float


def measure(opened: Opened, samples: int, done: Callable[[], None]) -> Measured:
    """Publish `samples` packets, one after another; `done` is called after each. Raises DemoError."""
    chance = random.Random(0)  # noqa: S311 -- when packets come
    took_s, known_s = list[float](), list[float]()
    with stage(opened, settings=_SETTINGS) as up, _subscribed(up.port) as told:
        packets = islice(reel(opened, up.device.now_ms()), samples + 1)
        for number, packet in enumerate(packets):
            time.sleep(chance.uniform(*_PAUSES_S))
            began_s = time.perf_counter()
            made_ms = up.device.publish(packet)
            event = told(packet.sequence)
            if number:  # the first waits for the device's connection, and for its key to be known
                took_s.append(event.at_s - began_s)
                known_s.append((event.known_ms - made_ms) / 1000)
                done()
        broker = up.broker
    results: dict[str, object] = {
        "broker": broker,
        "packet_to_event": summary(took_s),
        "of_that_until_it_was_known": summary(known_s),
    }
    return results, (Gate.at_most("packet to event, p95", p95(took_s), "s", TARGET_S),)


@contextmanager
def _subscribed(port: int) -> Iterator[Callable[[int], _Told]]:
    """Subscribe as a third party does; what is given awaits the event of a sequence. Raises DemoError."""
    news, ready, came = dict[int, _Told](), threading.Event(), threading.Condition()

    def receive(_client: Client, _data: object, message: MQTTMessage) -> None:
        at_s = time.perf_counter()
        event = events.decode(bytes(message.payload))
        if isinstance(event, events.SegmentDescribed):
            known_ms = datetime.fromisoformat(event.time.replace("Z", "+00:00")).timestamp() * 1000
            with came:
                news.setdefault(event.data.segment.sequence, _Told(at_s, known_ms))
                came.notify_all()

    def await_event(sequence: int) -> _Told:
        with came:
            if not came.wait_for(lambda: sequence in news, _TIMEOUT_S):
                raise DemoError(f"no event of segment {sequence} after {_TIMEOUT_S:g} s")
            return news[sequence]

    client = Client(CallbackAPIVersion.VERSION2, client_id="third-party", protocol=MQTTProtocolVersion.MQTTv5)
    client.on_message = receive
    client.on_subscribe = lambda *_: ready.set()
    client.connect("127.0.0.1", port)
    client.subscribe(events.topic_of(CAMERA_PATH), qos=1)
    client.loop_start()
    try:
        if not ready.wait(_TIMEOUT_S):
            raise DemoError(f"the broker at 127.0.0.1:{port} takes no subscription")
        yield await_event
    finally:
        client.disconnect()
        client.loop_stop()
