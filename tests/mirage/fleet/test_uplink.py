"""A simulated device's ledger is the agent's: headers of TCP are in it, and minutes without a connection."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.address import Address
from edge.allowance import Limits
from edge.budget import Budget
from edge.commands import Commands
from edge.ledger import Ledger
from edge.session import PlainSession
from edge.uplink import Parts
from edge.watch import Watch
from mirage.demo.broker import LoopbackBroker
from mirage.fleet.uplink import Deliveries, SteppedUplink, WatchedSpool
from wire.documents import Birth, CameraInfo
from wire.packet import Layer, Packet
from wire.spent import TRANSPORT
from wire.topics import DeviceTopics

TOPICS = DeviceTopics("fleet", "site-00", "cam-0000")
HEADERS_BYTES = 52  # of a segment


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LoopbackBroker]:
    folder = tmp_path / "broker"
    folder.mkdir()
    running = LoopbackBroker(folder)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def spool() -> Iterator[WatchedSpool]:
    spool = WatchedSpool(Deliveries())
    yield spool
    spool.close()


def uplink_to(port: int, spool: WatchedSpool, ledger: Ledger) -> SteppedUplink:
    birth = Birth(
        "cam-0000", spool.boot_id.hex(), 0, 0, "test", "tiny", "0" * 16, (CameraInfo("cam", 64, 48, 25.0),)
    )
    watch = Watch(spool, lambda: 0, lambda: False)
    parts = Parts(PlainSession(), Budget(Limits()), Commands({}), watch, ledger=ledger)
    uplink = SteppedUplink(Address("127.0.0.1", port), TOPICS, spool, birth, parts)
    uplink.deliveries = Deliveries()
    return uplink


def transport(ledger: Ledger) -> dict[str | None, int]:
    return {camera: size for (camera, _, kind), size in ledger.totals().items() if kind == TRANSPORT}


def test_what_tcp_adds_is_in_its_ledger_while_it_is_connected_and_at_the_end(
    broker: LoopbackBroker, spool: WatchedSpool
) -> None:
    ledger = Ledger()
    uplink = uplink_to(broker.port, spool, ledger)
    spool.append(0, "cam", bytes(Packet(0, 0, 2000, {Layer.CAPTION: b"seen"}, refresh=True)))
    uplink.connect()
    deadline_s = time.monotonic() + 60
    while transport(ledger).get("cam", 0) < HEADERS_BYTES and time.monotonic() < deadline_s:
        uplink.turn()
    counted = transport(ledger)
    assert counted["cam"] >= HEADERS_BYTES
    assert counted[None] >= 3 * HEADERS_BYTES  # the handshake, the greeting, the birth
    uplink.cut()
    assert sum(transport(ledger).values()) > sum(counted.values()), "its end takes segments, too"


def test_minutes_pass_without_a_connection(spool: WatchedSpool, monkeypatch: pytest.MonkeyPatch) -> None:
    uplink = uplink_to(1, spool, Ledger())
    looks = list[float]()
    monkeypatch.setattr(uplink._teller, "look", looks.append)  # noqa: SLF001 -- what a minute's look is
    uplink.turn()
    assert len(looks) == 1
