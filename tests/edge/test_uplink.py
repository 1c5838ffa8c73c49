"""The uplink: whatever the broker does, every packet arrives; only the cloud's word empties the spool."""

import gc
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge.address import Address
from edge.link import Link, LinkError
from edge.message import Message
from edge.spool import Spool
from edge.uplink import Parts, Uplink
from mirage.demo.broker import LoopbackBroker, free_port
from mirage.demo.proxy import CountingProxy
from tests.descriptors import open_sockets
from tests.edge.cloud import TOPICS, Cloud, wait_for
from wire import gap
from wire.documents import Birth, CameraInfo
from wire.gap import Gap, GapReason
from wire.packet import Layer, Packet

DRAIN_S = 10.0


def packet(sequence: int) -> bytes:
    return bytes(Packet(sequence, sequence * 2000, 2000, {Layer.CAPTION: b"seen"}, refresh=True))


def birth_of(spool: Spool, *cameras: str) -> Birth:
    return Birth(
        device=TOPICS.device,
        boot_id=spool.boot_id.hex(),
        boot_wall_ms=1_790_000_000_000,
        wall_error_ms=1,
        software="mirage test",
        bundle="tiny",
        bundle_sha256="0" * 16,
        cameras=tuple(CameraInfo(name, 640, 360, 25.0) for name in cameras),
    )


def ignore(_topic: str, _payload: bytes) -> None:
    """Take a message and do nothing with it."""


def fill(spool: Spool, *sequences: int) -> None:
    for sequence in sequences:
        spool.append(sequence, "door", packet(sequence))


@contextmanager
def running(uplink: Uplink, drain_s: float = DRAIN_S) -> Iterator[threading.Event]:
    """Run an uplink until the block ends, and then until it has drained."""
    finish = threading.Event()
    thread = threading.Thread(target=uplink.run, args=(finish, drain_s), name="uplink")
    thread.start()
    try:
        yield finish
    finally:
        finish.set()
        thread.join(60)
        assert not thread.is_alive()


def uplink_to(port: int, spool: Spool, resend_s: float = 60.0, answer_s: float = 30.0) -> Uplink:
    address = Address("127.0.0.1", port, connect_s=5.0, answer_s=answer_s)
    return Uplink(address, TOPICS, spool, birth_of(spool, "door"), Parts.plain(resend_s=resend_s))


def test_packets_reach_the_cloud_behind_the_birth_and_leave_the_spool(
    broker: LoopbackBroker, cloud: Cloud, spool: Spool
) -> None:
    fill(spool, 0, 1, 2)
    with running(uplink_to(broker.port, spool)):
        wait_for(lambda: spool.backlog().packets == 0)
        fill(spool, 3)
        wait_for(lambda: spool.backlog().packets == 0)
    wait_for(lambda: cloud.states[-1:] == ["sleeping"])
    assert cloud.sequences(spool.boot_id.hex()) == [0, 1, 2, 3]
    assert cloud.births[0].cameras[0].name == "door"
    assert (cloud.states, cloud.deliveries) == (["ready", "sleeping"], 4)


def test_hundreds_of_packets_pass_through_the_window(
    broker: LoopbackBroker, cloud: Cloud, spool: Spool
) -> None:
    fill(spool, *range(300))
    with running(uplink_to(broker.port, spool)):
        wait_for(lambda: spool.backlog().packets == 0)
    assert cloud.sequences(spool.boot_id.hex()) == list(range(300))


def test_without_the_clouds_word_the_spool_keeps_what_the_broker_took(
    broker: LoopbackBroker, cloud: Cloud, spool: Spool
) -> None:
    cloud.acknowledges = False
    fill(spool, 0, 1)
    with running(uplink_to(broker.port, spool), drain_s=0.2):
        wait_for(lambda: cloud.deliveries == 2)
    assert spool.backlog().packets == 2


def test_holes_in_the_acknowledgement_stay_in_the_spool(
    broker: LoopbackBroker, cloud: Cloud, spool: Spool
) -> None:
    cloud.acknowledges = False
    fill(spool, *range(6))
    with running(uplink_to(broker.port, spool), drain_s=0.2):
        wait_for(lambda: cloud.deliveries == 6)
        cloud.acknowledge(spool.boot_id.hex(), 4, ((1, 2),))
        wait_for(lambda: spool.backlog().packets == 3)
    assert [item.sequence for item in spool.pending(9)] == [1, 2, 5]


def test_what_nobody_acknowledges_is_sent_again_after_a_while(
    broker: LoopbackBroker, cloud: Cloud, spool: Spool
) -> None:
    cloud.acknowledges = False
    fill(spool, 0)
    with capture_logs() as logs, running(uplink_to(broker.port, spool, resend_s=0.3)):
        wait_for(lambda: cloud.deliveries >= 2)
        cloud.acknowledges = True
        wait_for(lambda: spool.backlog().packets == 0)
    assert "packets were not acknowledged, sending again" in [line["event"] for line in logs]


def test_no_broker_at_the_start_is_survived(tmp_path: Path, spool: Spool) -> None:
    folder = tmp_path / "late"
    folder.mkdir()
    late = LoopbackBroker(folder)
    fill(spool, 0, 1)
    with capture_logs() as logs, running(uplink_to(late.port, spool, resend_s=1)):
        wait_for(lambda: len(logs) >= 1)
        late.start()
        cloud = Cloud(late.port)
        wait_for(lambda: spool.backlog().packets == 0)
    assert cloud.sequences(spool.boot_id.hex()) == [0, 1]
    assert logs[0]["event"] == "no uplink"
    assert f"127.0.0.1:{late.port}" in logs[0]["reason"]
    cloud.close()
    late.stop()


def test_a_broker_that_goes_away_in_the_middle_and_comes_back_costs_no_packet(
    broker: LoopbackBroker, spool: Spool
) -> None:
    cloud = Cloud(broker.port)
    with running(uplink_to(broker.port, spool, resend_s=1)):
        fill(spool, 0, 1)
        wait_for(lambda: spool.backlog().packets == 0)
        broker.stop()
        cloud.close()
        fill(spool, 2, 3)
        broker.start()
        back = Cloud(broker.port)
        wait_for(lambda: spool.backlog().packets == 0)
        fill(spool, 4)  # by its alias, which the new broker must have learnt anew
        wait_for(lambda: spool.backlog().packets == 0)
    assert cloud.sequences(spool.boot_id.hex()) == [0, 1]
    assert set(back.sequences(spool.boot_id.hex())) >= {2, 3, 4}
    assert back.births[0].boot_id == spool.boot_id.hex()
    assert back.states[0] == "ready"
    back.close()


def test_a_broker_that_never_comes_does_not_hold_the_end_up(spool: Spool) -> None:
    fill(spool, 0)
    with capture_logs(), running(uplink_to(free_port(), spool), drain_s=0.5):
        pass
    assert spool.backlog().packets == 1


def test_what_listens_but_is_no_broker_is_named(spool: Spool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute, capture_logs() as logs:
        fill(spool, 0)
        with running(uplink_to(mute.getsockname()[1], spool), drain_s=0):
            wait_for(lambda: any("no answer to CONNECT" in line["reason"] for line in logs))


def test_packets_of_an_earlier_boot_are_history_and_bring_their_birth(
    tmp_path: Path, broker: LoopbackBroker, cloud: Cloud
) -> None:
    before = Spool(tmp_path / "spool.db")
    uplink_to(broker.port, before)  # its birth is kept as soon as it is known
    fill(before, 0, 1)
    before.close()
    spool = Spool(tmp_path / "spool.db")
    fill(spool, 0)
    with running(uplink_to(broker.port, spool)):
        wait_for(lambda: spool.backlog().packets == 0)
    old, new = before.boot_id.hex(), spool.boot_id.hex()
    assert [birth.boot_id for birth in cloud.births] == [old, new]
    assert (cloud.sequences(old), cloud.sequences(new)) == ([0, 1], [0])
    assert cloud.packets[old, 0].historical
    assert not cloud.packets[new, 0].historical
    spool.close()


def test_a_cloud_that_comes_after_the_births_hears_them_before_the_backlog(
    tmp_path: Path, broker: LoopbackBroker
) -> None:
    before = Spool(tmp_path / "spool.db")
    uplink_to(broker.port, before)
    fill(before, 0, 1)
    before.close()
    spool = Spool(tmp_path / "spool.db")
    with capture_logs() as logs, running(uplink_to(broker.port, spool)):
        wait_for(lambda: any(line["event"] == "uplink is up" for line in logs))
        late = Cloud(broker.port)
        wait_for(lambda: spool.backlog().packets == 0)
        assert before.boot_id.hex() in [birth.boot_id for birth in late.births]
        late.close()
    spool.close()


def test_what_was_given_up_without_a_network_is_reported_with_it_for_each_boot(
    tmp_path: Path, broker: LoopbackBroker, cloud: Cloud
) -> None:
    before = Spool(tmp_path / "spool.db", max_bytes=4000)
    uplink_to(broker.port, before)
    with capture_logs():
        fill(before, *range(100))
    before.close()
    spool = Spool(tmp_path / "spool.db", max_bytes=4000)
    with capture_logs():
        fill(spool, *range(100))
    with running(uplink_to(broker.port, spool)):
        wait_for(lambda: spool.backlog().waiting == 0)
    old, new = before.boot_id.hex(), spool.boot_id.hex()
    assert gap.decode(cloud.packets[old, 0].layers[Layer.GAP]) == Gap(0, 99, GapReason.SPOOL_FULL)
    assert cloud.packets[old, 0].historical
    lost = gap.decode(cloud.packets[new, 0].layers[Layer.GAP])
    assert cloud.sequences(new) == [0, *range(lost.last + 1, 100)]
    assert [birth.boot_id for birth in cloud.births] == [old, new]
    spool.close()


def test_a_new_birth_is_published_at_once(broker: LoopbackBroker, cloud: Cloud, spool: Spool) -> None:
    uplink = uplink_to(broker.port, spool)
    with running(uplink):
        wait_for(lambda: len(cloud.births) == 1)
        uplink.announce(birth_of(spool, "door", "yard"))
        wait_for(lambda: len(cloud.births) == 2)
    assert [camera.name for camera in cloud.births[1].cameras] == ["door", "yard"]


def test_an_unreadable_acknowledgement_is_ignored(broker: LoopbackBroker, cloud: Cloud, spool: Spool) -> None:
    cloud.acknowledges = False
    fill(spool, 0)
    with capture_logs() as logs, running(uplink_to(broker.port, spool), drain_s=0.2):
        wait_for(lambda: cloud.deliveries == 1)
        cloud.say(TOPICS.ack, b'{"boots": 7}')
        wait_for(lambda: any(line["event"] == "ack is not readable" for line in logs))
    assert spool.backlog().packets == 1


def test_a_connection_that_breaks_leaves_the_will(broker: LoopbackBroker, cloud: Cloud) -> None:
    will = Message(TOPICS.state, b'{"state":"lost","boot_id":"0123456789abcdef"}', retain=True)
    link = Link(Address("127.0.0.1", broker.port), "jetson-1", will, ignore)
    link.drop()
    wait_for(lambda: cloud.states == ["lost"])


def test_a_device_that_was_cut_off_is_let_in_again(broker: LoopbackBroker, cloud: Cloud) -> None:
    will = Message(TOPICS.state, b'{"state":"lost","boot_id":"0123456789abcdef"}', retain=True)
    for rounds in range(1, 4):
        link = Link(Address("127.0.0.1", broker.port), "jetson-1", will, ignore)
        link.publish(Message(TOPICS.state, b'{"state":"ready","boot_id":"0123456789abcdef"}', retain=True))
        while link.in_flight:
            link.step(0.1)
        link.drop()
        # rumqttd forgets the will of a connection that is taken over before it has noticed the loss.
        wait_for(lambda: len(cloud.states) == 2 * rounds)  # noqa: B023 (waits within the round)
    assert cloud.states == ["ready", "lost"] * 3


def test_a_link_without_a_broker_is_an_error_that_names_the_address() -> None:
    port = free_port()
    with pytest.raises(LinkError, match=f"127.0.0.1:{port}: "):
        Link(Address("127.0.0.1", port), "jetson-1", None, ignore)


def test_a_link_that_is_dropped_leaves_no_socket_to_the_garbage_collector(broker: LoopbackBroker) -> None:
    gc.collect()
    gc.disable()
    try:
        before = open_sockets()
        link = Link(Address("127.0.0.1", broker.port), "jetson-1", None, ignore)
        link.step(0.1)
        assert open_sockets() > before
        link.drop()
        del link
        assert open_sockets() <= before  # others may have gone
    finally:
        gc.enable()


def test_the_second_packet_of_a_camera_goes_without_its_topic(broker: LoopbackBroker) -> None:
    proxy = CountingProxy("127.0.0.1", broker.port)
    proxy.start()
    link = Link(Address("127.0.0.1", proxy.port), "jetson-1", None, ignore)
    sizes = []
    for _ in range(2):
        before = published_bytes(proxy)
        link.publish(Message(TOPICS.sem("door"), bytes(60)))
        while link.in_flight:
            link.step(0.1)
        sizes.append(published_bytes(proxy) - before)
    link.close()
    link.drop()
    proxy.stop()
    assert sizes[0] - sizes[1] == len(TOPICS.sem("door"))


def published_bytes(proxy: CountingProxy) -> int:
    return sum(tally.bytes for (_, kind), tally in proxy.totals().items() if kind == "sem")


def test_whoever_watches_sees_it_turn_and_hears_of_each_receipt(
    broker: LoopbackBroker, cloud: Cloud, spool: Spool
) -> None:
    uplink = uplink_to(broker.port, spool)
    with running(uplink):
        wait_for(lambda: cloud.states == ["ready"])
        attempts, receipts = uplink.signs
        turns = uplink.turns
        wait_for(lambda: uplink.turns > turns + 2)  # with nothing to do
        fill(spool, 0)
        wait_for(lambda: spool.backlog().packets == 0)
        assert uplink.signs[0] == attempts
        assert uplink.signs[1] > receipts


def test_whoever_watches_sees_each_attempt_to_connect(spool: Spool) -> None:
    uplink = uplink_to(free_port(), spool)
    with running(uplink, drain_s=0.0):
        wait_for(lambda: uplink.signs[0] >= 3)
        assert uplink.turns >= 3
