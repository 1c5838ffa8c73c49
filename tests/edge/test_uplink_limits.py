"""The uplink where something is short: bytes, room in a packet, permission, places in the window."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge.address import Address
from edge.allowance import Limits, Standing
from edge.budget import Budget
from edge.commands import Commands
from edge.session import PlainSession
from edge.spool import Spool
from edge.uplink import Parts, Uplink
from mirage.demo.broker import LoopbackBroker
from mirage.demo.proxy import counting_proxy
from tests.edge.cloud import TOPICS, Cloud, wait_for
from tests.edge.test_budget import sent_up
from tests.edge.test_feed import Clock
from tests.edge.test_uplink import birth_of, fill, packet, running
from tests.edge.wire_broker import WireBroker, polite
from tests.mosquitto import PLAIN, mosquitto
from wire.envelope import PlainEnvelope
from wire.packet import Layer, Packet

RULES = """\
user root
listener {port} 127.0.0.1
allow_anonymous true
acl_file {folder}/rules
"""


class Device:
    """An uplink that seals nothing."""

    def __init__(self, port: int, spool: Spool, budget: Budget | None = None) -> None:
        parts = Parts(PlainSession(), budget or Budget(Limits()), Commands({}))
        address = Address("127.0.0.1", port)
        self.uplink = Uplink(address, TOPICS, spool, birth_of(spool, "door", "yard"), parts)


def large(sequence: int) -> bytes:
    layers: dict[int, bytes] = {Layer.CAPTION: b"seen", Layer.APPEARANCE_TOKENS: bytes(3000)}
    return bytes(Packet(sequence, sequence * 2000, 2000, layers, refresh=True))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def aged(tmp_path: Path, clock: Clock) -> Iterator[Spool]:
    """Hold 600 packets that have waited for a day."""
    spool = Spool(tmp_path / "aged.db", clock=clock)
    fill(spool, *range(600))
    clock.now_s += 86_400
    yield spool
    spool.close()


def test_live_packets_do_not_wait_for_the_backlog(broker: LoopbackBroker, cloud: Cloud, aged: Spool) -> None:
    device = Device(broker.port, aged, Budget(Limits(400.0, 2048), Standing(600)))
    with running(device.uplink, 0.0):
        wait_for(lambda: cloud.deliveries >= 3)
        for sequence in range(600, 610):
            fill(aged, sequence)
            wait_for(lambda: sequence in cloud.order)  # noqa: B023 (at once)
    boot, left = aged.boot_id.hex(), aged.backlog().packets
    assert left > 100
    assert cloud.order.index(609) < len(cloud.order) < 500  # however slow this machine is
    backlog = [sequence for sequence in cloud.order if sequence < 600]
    assert backlog == list(range(len(backlog)))
    assert {cloud.packets[boot, sequence].historical for sequence in backlog} == {True}
    assert not any(cloud.packets[boot, sequence].historical for sequence in range(600, 610))


def test_the_backlog_goes_at_the_rate_of_the_budget(
    broker: LoopbackBroker, cloud: Cloud, aged: Spool
) -> None:
    rate, burst = 1000.0, 2048
    cloud.acknowledge("00" * 8, 0)  # some other boot's: the backlog need not wait for a first word
    with counting_proxy(broker.port) as proxy:
        device = Device(proxy.port, aged, Budget(Limits(rate, burst), Standing(600)))
        began_s = time.monotonic()
        with running(device.uplink, 0.0):
            wait_for(lambda: sent_up(proxy) > burst + 1.5 * rate)
            assert sent_up(proxy) <= burst + rate * (time.monotonic() - began_s)
    assert aged.backlog().packets > 100


def test_without_a_budget_the_backlog_goes_at_once(broker: LoopbackBroker, cloud: Cloud, aged: Spool) -> None:
    with running(Device(broker.port, aged).uplink):
        wait_for(lambda: aged.backlog().packets == 0)
    assert cloud.sequences(aged.boot_id.hex()) == list(range(600))


def test_a_packet_that_the_broker_does_not_take_waits_and_holds_up_no_other(
    tmp_path: Path, spool: Spool
) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    with mosquitto(folder, f"{PLAIN}max_packet_size 1000\n") as broker:
        cloud, device = Cloud(broker.port), Device(broker.port, spool)
        fill(spool, 0)
        spool.append(1, "yard", large(1))
        fill(spool, 2)
        with capture_logs() as logs, running(device.uplink, 0.5):
            wait_for(lambda: spool.backlog().waiting == 1)
        cloud.close()
    assert cloud.sequences(spool.boot_id.hex()) == [0, 2]
    assert [item.sequence for item in spool.pending(9)] == [1]  # nobody but the cloud empties the spool
    assert cloud.states in (["ready"], ["ready", "sleeping"])
    assert [line["event"] for line in logs].count("packet is too large: it waits") == 1


def sequences_after_the_large_one(broker: WireBroker) -> set[int]:
    """Give what came on the connection after the one on which a large packet came."""
    large_at = next((at for at, (_, rest) in enumerate(broker.packets) if len(rest) > 1000), 0)
    found = set[int]()
    for first, rest in broker.packets[large_at + 1 :] if large_at else ():
        if first >> 4 == 3 and b"/sem" in rest:
            frame = rest[rest.index(b"\xa1\0") :]
            found.add(Packet.parse(PlainEnvelope().unwrap(frame, "")).sequence)
    return found


def test_a_broker_that_hangs_up_on_a_large_packet_gets_the_others(spool: Spool) -> None:
    def answer(first: int, rest: bytes) -> bytes:
        if first >> 4 != 3 or len(rest) < 1000:
            return polite(first, rest)
        return bytes.fromhex("e00195")  # DISCONNECT: packet too large

    broker = WireBroker(answer)
    device = Device(broker.port, spool)
    fill(spool, 0)
    spool.append(1, "yard", large(1))
    fill(spool, 2)
    with capture_logs() as logs, running(device.uplink, 0.0):
        wait_for(lambda: sequences_after_the_large_one(broker) >= {0, 2})
    broker.close()
    assert [line["event"] for line in logs].count("packet is too large: it waits") == 1
    assert spool.backlog().packets == 3


def test_what_cannot_be_read_from_the_spool_is_given_up_and_holds_up_no_other(
    broker: LoopbackBroker, cloud: Cloud, spool: Spool
) -> None:
    device = Device(broker.port, spool)
    fill(spool, 0)
    spool.append(1, "door", b"\xff no packet")
    fill(spool, 2)
    with capture_logs(), running(device.uplink):
        wait_for(lambda: spool.backlog().waiting == 0)
    boot = spool.boot_id.hex()
    assert cloud.sequences(boot) == [0, 1, 2]
    assert Layer.GAP in cloud.packets[boot, 1].layers


def test_a_camera_that_the_broker_refuses_keeps_its_packets_and_holds_up_no_other(
    tmp_path: Path, spool: Spool
) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    allowed = ("birth", "state", "door/sem", "ack")
    rules = "".join(f"topic readwrite {TOPICS.root}/{leaf}\n" for leaf in allowed)
    (folder / "rules").write_text(rules)
    with mosquitto(folder, RULES) as broker:
        cloud, device = Cloud(broker.port), Device(broker.port, spool)
        for sequence in range(6):
            spool.append(sequence, "yard" if sequence % 2 else "door", packet(sequence))
        with capture_logs() as logs, running(device.uplink, 0.5):
            wait_for(lambda: spool.backlog().waiting == 3)
        cloud.close()
    assert cloud.sequences(spool.boot_id.hex()) == [0, 2, 4]
    assert [item.sequence for item in spool.pending(9)] == [1, 3, 5]
    assert cloud.states in (["ready"], ["ready", "sleeping"])
    refused = [line for line in logs if line["event"] == "broker refuses a topic: is it enrolled?"]
    assert [line["topic"] for line in refused] == [TOPICS.sem("yard")]


def test_a_device_that_may_not_publish_its_birth_is_told_so(tmp_path: Path, spool: Spool) -> None:
    (tmp_path / "rules").write_text("topic read nothing\n")
    with mosquitto(tmp_path, RULES) as broker:
        device = Device(broker.port, spool)
        with capture_logs() as logs, running(device.uplink, 0.0):
            wait_for(lambda: any(line["event"] == "no uplink" for line in logs))
    reason = next(line["reason"] for line in logs if line["event"] == "no uplink")
    assert f"broker refuses {TOPICS.birth}" in reason
    assert "enrolled?" in reason


def test_more_births_of_earlier_boots_than_the_broker_takes_at_once(tmp_path: Path) -> None:
    for _ in range(25):
        before = Spool(tmp_path / "spool.db")
        Device(1, before)
        fill(before, 0)
        before.close()
    spool = Spool(tmp_path / "spool.db")
    folder = tmp_path / "broker"
    folder.mkdir()
    with mosquitto(folder, f"{PLAIN}max_inflight_messages 3\n") as broker:
        cloud, device = Cloud(broker.port), Device(broker.port, spool)
        with running(device.uplink):
            wait_for(lambda: spool.backlog().waiting == 0)
        cloud.close()
    assert len({birth.boot_id for birth in cloud.births}) == 26
    assert len(cloud.packets) == 25
    assert cloud.states in (["ready"], ["ready", "sleeping"])
    spool.close()


def test_a_packet_without_a_key_names_its_boot(broker: LoopbackBroker, cloud: Cloud, spool: Spool) -> None:
    fill(spool, 0)
    with running(Device(broker.port, spool).uplink):
        wait_for(lambda: spool.backlog().waiting == 0)
    (live,) = cloud.packets.values()
    assert (live.boot_id, live.historical) == (spool.boot_id, False)
