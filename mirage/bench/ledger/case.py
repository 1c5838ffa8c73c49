"""One measurement: an uplink with made-up packets, a way to the broker, and what is counted on it.

Uplink --[capture]--> CountingProxy (the end of TLS, where there is any) --> broker <-- Acknowledger
  '--> Ledger                '--> what MQTT sent
"""

import contextlib
import random
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.address import Address
from edge.allowance import Limits
from edge.budget import Budget
from edge.commands import Commands
from edge.ledger import Ledger
from edge.links import Links
from edge.session import PlainSession
from edge.spool import Spool
from edge.tls import Tls
from edge.uplink import Parts, Uplink
from edge.watch import Watch
from mirage.bench.ledger.capture import Capture, CaptureError, captured
from mirage.bench.ledger.peer import Acknowledger
from mirage.demo.meter import Direction
from mirage.demo.proxy import CountingProxy
from mirage.version import SOFTWARE
from wire.documents import Birth, CameraInfo
from wire.packet import Layer, Packet
from wire.policy import Network
from wire.spent import TRANSPORT
from wire.topics import DeviceTopics

TOPICS = DeviceTopics("acme", "north", "edge-1")
CAMERA = "door"
_PATIENCE_S = 60.0
_CATCHING_UP_S = 5.0
_SEED = 20


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured: `packets`, one each `pace_s`; the connection is cut `cuts` times between them."""

    qos: int
    tls: bool
    cuts: int
    packets: int
    pace_s: float

    @property
    def name(self) -> str:
        tls = "TLS" if self.tls else "plain"
        return f"QoS {self.qos}, {tls}{', reconnects' if self.cuts else ''}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Bytes that went up: as the ledger says, as the proxy counted MQTT, and as the wire had them."""

    case: Case
    by_kind: dict[str, int]
    proxy_bytes: int
    wire_bytes: int | None  # None: packets could not be captured
    wire_packets: int | None

    @property
    def mqtt_error(self) -> float:
        """How far payload, MQTT and what was resent are off, as a share."""
        mqtt = sum(size for kind, size in self.by_kind.items() if kind != TRANSPORT)
        return abs(mqtt / self.proxy_bytes - 1)

    @property
    def whole_error(self) -> float | None:
        """How far all of it is off the wire, as a share."""
        return None if not self.wire_bytes else abs(sum(self.by_kind.values()) / self.wire_bytes - 1)


@dataclass(frozen=True, slots=True)
class Trust:
    """Certificates: the device's, and what ends TLS."""

    device: Tls
    server: ssl.SSLContext


def measure(case: Case, broker_port: int, trust: Trust) -> Outcome:
    """Run one case."""
    proxy = CountingProxy("127.0.0.1", broker_port, trust.server if case.tls else None)
    proxy.start()
    ledger, spool = Ledger(), Spool(Path(":memory:"))
    peer = Acknowledger(broker_port, TOPICS)
    try:
        with _capturing(proxy.port) as capture:
            _send(case, proxy, ledger, spool, trust)
    finally:
        peer.close()
        spool.close()
        proxy.stop()
    kinds: dict[str, int] = {}
    for (_, _, kind), size in ledger.totals().items():
        kinds[kind] = kinds.get(kind, 0) + size
    up = _up(proxy)
    if capture is None:
        return Outcome(case, kinds, up, None, None)
    return Outcome(case, kinds, up, capture.ip_bytes, capture.packets)


def _send(case: Case, proxy: CountingProxy, ledger: Ledger, spool: Spool, trust: Trust) -> None:
    watch = Watch(spool, lambda: 0, lambda: False)
    links = Links(Network(qos=case.qos))
    parts = Parts(PlainSession(), Budget(Limits()), Commands({}), watch, ledger=ledger, links=links)
    address = Address(
        "localhost" if case.tls else "127.0.0.1", proxy.port, trust.device if case.tls else None
    )
    uplink = Uplink(address, TOPICS, spool, _birth(spool), parts)
    finish = threading.Event()
    thread = threading.Thread(target=uplink.run, args=(finish, _PATIENCE_S), name="uplink", daemon=True)
    thread.start()
    chance = random.Random(_SEED)  # noqa: S311 -- makes up packets
    cuts = {round((each + 1) * case.packets / (case.cuts + 1)) for each in range(case.cuts)}
    for number in range(case.packets):
        spool.append(number, CAMERA, _body(number, chance))
        time.sleep(case.pace_s)
        if number in cuts:
            _caught_up(ledger, proxy)
            proxy.cut()
    finish.set()
    thread.join()


def _caught_up(ledger: Ledger, proxy: CountingProxy) -> None:
    """Wait until the proxy has read what was written: what a busy machine left unread would count as lost."""
    until = time.monotonic() + _CATCHING_UP_S
    while _up(proxy) < _mqtt(ledger) and time.monotonic() < until:
        time.sleep(0.001)


def _up(proxy: CountingProxy) -> int:
    return sum(tally.bytes for (way, _), tally in proxy.totals().items() if way is Direction.UP)


def _mqtt(ledger: Ledger) -> int:
    return sum(size for (_, _, kind), size in ledger.totals().items() if kind != TRANSPORT)


@contextlib.contextmanager
def _capturing(port: int) -> Iterator[Capture | None]:
    with contextlib.ExitStack() as stack:
        try:
            capture = stack.enter_context(captured(port))
        except CaptureError:
            yield None
        else:
            yield capture


def _birth(spool: Spool) -> Birth:
    now_ms = round(time.time() * 1e3)
    camera = CameraInfo(CAMERA, 1920, 1080, 25.0)
    return Birth("edge-1", spool.boot_id.hex(), now_ms, 1, SOFTWARE, "tiny", "0" * 16, (camera,))


def _body(number: int, chance: random.Random) -> bytes:
    sizes = {Layer.CAPTION: (8, 30), Layer.MOTION: (4, 20), Layer.APPEARANCE_TOKENS: (30, 120)}
    layers: dict[int, bytes] = {
        layer: chance.randbytes(chance.randint(*size)) for layer, size in sizes.items()
    }
    if number % 10 == 0:
        layers[Layer.APPEARANCE_DETAIL] = chance.randbytes(200)
    return bytes(Packet(number, 2000 * number, 2000, layers, refresh=number % 30 == 0))
