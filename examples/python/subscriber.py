#!/usr/bin/env python3
"""Listen to Mirage's events, with a client certificate, and deal with each of them once.

    pip install 'paho-mqtt>=2.2'
    python subscriber.py --host broker.example --ca ca.pem --cert viewer.pem --key viewer.key --tenant acme

Copy this file and change `handle`; no licence binds you (CC0 1.0). Of Mirage it needs nothing.

* The session outlives the connection: what is told while this program is away waits at the broker, for a day.
* An event is acknowledged after `handle`, so that a crash loses none. It may come again then, which its
  source and id tell. Keep those in a database where a second handling after a restart would do harm.
"""

import argparse
import json
import sys
from collections import OrderedDict
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

SESSION_S = 86_400
REMEMBERED = 10_000


def handle(event: dict[str, Any]) -> None:
    """Do something with an event. docs/asyncapi.yaml describes its fields."""
    kind, data = event["type"], event["data"]
    segment = data.get("segment", {})  # what is told of traffic has none
    if kind == "mirage.alert.raised":
        late = " (late)" if segment["historical"] else ""
        print(f"ALERT {data['alert']['name']}: {segment['caption']} [{segment['camera']}]{late}")
    elif kind == "mirage.segment.described":
        print(f"{segment['camera']}: {segment['caption']}")
    elif kind == "mirage.clip.rendered":
        print(f"{segment['camera']}: video, reconstructed: {data['clip']['url']}")
    elif kind == "mirage.budget.reached":
        print(f"{data['place']}: {data['percent']} % of the budget of {data['budget']} bytes is used")
    elif kind == "mirage.usage.unusual":
        print(f"{data['place']}: sent {data['bytes']} bytes in an hour, usual are {data['expected']}")
    # Types that this program does not know are those of a later version: they are no error.
    sys.stdout.flush()


class Subscriber:
    """Connects, and again for ever; calls `handle` once for each event."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Prepare; `run` connects."""
        self._options = options
        self._topics = f"mirage/v1/{options.tenant}/{options.site}/+/+/event"
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._left = options.count
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            options.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
        )
        if options.ca:
            self._client.tls_set(options.ca, options.cert, options.key)
        self._client.reconnect_delay_set(min_delay=1, max_delay=60)
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._received

    def run(self) -> None:
        """Listen until Ctrl-C, or until enough has come."""
        wishes = Properties(PacketTypes.CONNECT)
        wishes.SessionExpiryInterval = SESSION_S
        options = self._options
        port = options.port or (8883 if options.ca else 1883)
        self._client.connect_async(options.host, port, keepalive=30, clean_start=False, properties=wishes)
        try:
            self._client.loop_forever(retry_first_connection=True)
        except KeyboardInterrupt:
            self._client.disconnect()

    def _connected(
        self, client: Client, _data: object, _flags: ConnectFlags, code: ReasonCode, _properties: object
    ) -> None:
        if code.is_failure:
            print(f"refused: {code}", file=sys.stderr)
            return
        client.subscribe(self._topics, qos=1)

    def _subscribed(
        self, _client: Client, _data: object, _mid: int, codes: list[ReasonCode], _properties: object
    ) -> None:
        # Mosquitto grants what we may not read, too, and delivers none of it.
        refused = [str(code) for code in codes if code.is_failure]
        said = f"refused: {refused[0]}" if refused else f"listening to {self._topics}"
        print(said, file=sys.stderr, flush=True)

    def _received(self, client: Client, _data: object, message: MQTTMessage) -> None:
        try:
            event = json.loads(message.payload)
            name = (event["source"], event["id"])
        except (ValueError, TypeError, KeyError):
            print(f"no event came under {message.topic}", file=sys.stderr)
        else:
            if name not in self._seen and self._left != 0:
                handle(event)
                self._remember(name)
        client.ack(message.mid, message.qos)
        if self._left == 0:
            client.disconnect()

    def _remember(self, name: tuple[str, str]) -> None:
        self._seen[name] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        if self._left is not None:
            self._left -= 1


def main() -> None:
    """Read the options and listen."""
    parser = argparse.ArgumentParser(description="Listen to Mirage's events.")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, help="1883, or 8883 with --ca")
    parser.add_argument("--ca", help="who certifies the broker")
    parser.add_argument("--cert", help="our certificate")
    parser.add_argument("--key", help="its key")
    parser.add_argument(
        "--client-id",
        default="mirage-example",
        help="names the session; deploy/broker/ takes the certificate's name instead",
    )
    parser.add_argument("--tenant", default="+", help="without one: of all that we may read")
    parser.add_argument("--site", default="+")
    parser.add_argument("--count", type=int, help="stop after so many events")
    Subscriber(parser.parse_args()).run()


if __name__ == "__main__":
    main()
