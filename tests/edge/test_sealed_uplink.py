"""The sealed uplink: everything arrives, nobody reads it, and only the cloud is obeyed."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import edge.session
from edge.address import Address
from edge.allowance import Limits
from edge.budget import Budget
from edge.commands import Arguments, Commands
from edge.feed import RESEND_S
from edge.session import LIFETIME_FRAMES, SealedSession
from edge.spool import Spool
from edge.uplink import Parts, Uplink
from edge.watch import Watch
from mirage.demo.broker import LoopbackBroker
from tests.edge.cloud import HOUR_MS, TOPICS, Cloud, wait_for
from tests.edge.sealing import Secrets
from tests.edge.test_commands import working
from tests.edge.test_uplink import birth_of, fill, packet, running
from wire import documents
from wire.documents import Ack, AckWatermark, Value
from wire.envelope import PlainEnvelope, SealedEnvelope, read_header
from wire.telemetry import Alarm

SEM = TOPICS.sem("door")


class Device:
    """A sealed uplink, and what is asked of it."""

    def __init__(
        self,
        port: int,
        spool: Spool,
        secrets: Secrets,
        frames: int = LIFETIME_FRAMES,
        answer_s: float = 30.0,
        resend_s: float = RESEND_S,
    ) -> None:
        self.dropped = 0
        self.pings = 0
        session = SealedSession(secrets.keys, TOPICS, spool.boot_id, os.urandom, lifetime_frames=frames)
        self.commands = Commands({"ping": self._ping})
        watch = Watch(spool, lambda: self.dropped, lambda: False)
        parts = Parts(session, Budget(Limits()), self.commands, watch, resend_s)
        address = Address("127.0.0.1", port, answer_s=answer_s)
        self.uplink = Uplink(address, TOPICS, spool, birth_of(spool, "door"), parts)

    def _ping(self, _arguments: Arguments) -> dict[str, Value]:
        self.pings += 1
        return {"pings": self.pings}


@contextmanager
def at_work(device: Device, drain_s: float = 10.0) -> Iterator[None]:
    with working(device.commands), running(device.uplink, drain_s):
        yield


@pytest.fixture
def cloud(broker: LoopbackBroker, secrets: Secrets) -> Iterator[Cloud]:
    subscriber = Cloud(broker.port, secrets=secrets)
    yield subscriber
    subscriber.close()


@pytest.fixture
def device(broker: LoopbackBroker, spool: Spool, secrets: Secrets) -> Device:
    return Device(broker.port, spool, secrets)


def test_packets_arrive_sealed_under_the_key_in_the_signed_birth(
    cloud: Cloud, spool: Spool, device: Device
) -> None:
    fill(spool, 0, 1, 2)
    with at_work(device):
        wait_for(lambda: spool.backlog().packets == 0)
    assert cloud.sequences(spool.boot_id.hex()) == [0, 1, 2]
    assert all(each.boot_id is None for each in cloud.packets.values())  # the key tells it
    frames = [payload for topic, payload in cloud.frames if topic in (SEM, TOPICS.telemetry)]
    assert len(frames) >= 4
    assert not any(b"seen" in frame for frame in frames)
    assert {read_header(frame).key_id for frame in frames} == {cloud.births[-1].key_id}
    first = next(payload for topic, payload in cloud.frames if topic == SEM)
    assert len(first) - len(packet(0)) <= 3 + 16


def test_each_connection_has_its_own_key_and_no_nonce_comes_twice(
    broker: LoopbackBroker, spool: Spool, secrets: Secrets, device: Device
) -> None:
    keys, nonces = set[int](), list[tuple[str, int]]()
    with capture_logs(), at_work(device):
        for number in range(3):
            cloud = Cloud(broker.port, secrets=secrets)
            cloud.acknowledges = False
            fill(spool, number)
            wait_for(lambda: (spool.boot_id.hex(), number) in cloud.packets, 40)  # noqa: B023 (at once)
            keys.add(cloud.births[-1].key_id)
            nonces += cloud.nonces
            broker.stop()
            cloud.close()
            broker.start()
        last = Cloud(broker.port, secrets=secrets)
        wait_for(lambda: spool.backlog().packets == 0, 60)
    assert len(keys) == 3
    nonces += last.nonces
    assert len(nonces) == len(set(nonces))
    last.close()


def sent_again(broker: LoopbackBroker, spool: Spool, secrets: Secrets) -> Cloud:
    """Give a cloud that has had a packet four times and acknowledged it then."""
    cloud = Cloud(broker.port, secrets=secrets)
    cloud.acknowledges = False
    fill(spool, 0)
    with capture_logs(), at_work(Device(broker.port, spool, secrets, resend_s=0.2)):
        wait_for(lambda: len([topic for topic, _ in cloud.frames if topic == SEM]) >= 4)
        cloud.acknowledges = True
        wait_for(lambda: spool.backlog().packets == 0)
    cloud.close()
    return cloud


def test_what_is_sent_again_soon_keeps_its_key_and_says_the_same_birth_again(
    broker: LoopbackBroker, spool: Spool, secrets: Secrets
) -> None:
    cloud = sent_again(broker, spool, secrets)
    assert len({birth.key_id for birth in cloud.births}) == 1
    assert len({payload for topic, payload in cloud.frames if topic == TOPICS.birth}) == 1
    assert len(cloud.births) >= 3


def test_what_is_sent_again_after_a_while_has_another_key(
    broker: LoopbackBroker, spool: Spool, secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge.session, "REST_S", 0.0)
    cloud = sent_again(broker, spool, secrets)
    assert len({birth.key_id for birth in cloud.births}) >= 3


def test_a_key_that_has_sealed_enough_is_replaced_within_the_connection(
    broker: LoopbackBroker, cloud: Cloud, spool: Spool, secrets: Secrets
) -> None:
    device = Device(broker.port, spool, secrets, frames=7)
    fill(spool, *range(60))
    with at_work(device):
        wait_for(lambda: spool.backlog().packets == 0)
    assert cloud.states in (["ready"], ["ready", "sleeping"])
    assert cloud.sequences(spool.boot_id.hex()) == list(range(60))
    used = [birth.key_id for birth in cloud.births]
    assert len(set(used)) > 3
    assert all(after % 255 == (before + 1) % 255 for before, after in pairwise(used))
    counts = [sum(key == wrapped for key, _ in cloud.nonces) for wrapped in {key for key, _ in cloud.nonces}]
    assert max(counts) < 7 + 20  # what is in the window when it is due goes under the old one


def test_packets_of_an_earlier_boot_go_under_this_boots_key_and_name_theirs(
    tmp_path: Path, broker: LoopbackBroker, cloud: Cloud, secrets: Secrets
) -> None:
    before = Spool(tmp_path / "spool.db")
    Device(broker.port, before, secrets)
    fill(before, 0, 1)
    before.close()
    spool = Spool(tmp_path / "spool.db")
    fill(spool, 0)
    with at_work(Device(broker.port, spool, secrets)):
        wait_for(lambda: spool.backlog().packets == 0)
    old, new = before.boot_id.hex(), spool.boot_id.hex()
    assert [(birth.boot_id, birth.wrapped_key is None) for birth in cloud.births[:2]] == [
        (old, True),
        (new, False),
    ]
    assert all(birth.signature for birth in cloud.births)
    assert (cloud.sequences(old), cloud.sequences(new)) == ([0, 1], [0])
    assert cloud.packets[old, 0].historical
    spool.close()


def everything(boot: str) -> bytes:
    return documents.encode(Ack({boot: AckWatermark(1000)}, 1_790_000_000_000))


def plain(boot: str, _cloud: Cloud) -> bytes:
    return everything(boot)


def framed_but_not_sealed(boot: str, _cloud: Cloud) -> bytes:
    return PlainEnvelope().wrap(everything(boot), TOPICS.ack)


def under_a_key_of_the_brokers(boot: str, cloud: Cloud) -> bytes:
    return SealedEnvelope(bytes(32), cloud.births[-1].key_id).wrap(everything(boot), TOPICS.ack)


def sealed_for_another_topic(boot: str, cloud: Cloud) -> bytes:
    down = cloud.connections[cloud.births[-1].key_id].down
    return down.wrap(everything(boot), TOPICS.cmd("ping"))


def of_the_uplink_key(boot: str, cloud: Cloud) -> bytes:
    up = cloud.connections[cloud.births[-1].key_id].up
    return up.wrap(everything(boot), TOPICS.ack)


@pytest.mark.parametrize(
    "forged",
    [
        plain,
        framed_but_not_sealed,
        under_a_key_of_the_brokers,
        sealed_for_another_topic,
        of_the_uplink_key,
    ],
)
def test_an_ack_that_is_not_the_clouds_frees_nothing(
    cloud: Cloud, spool: Spool, device: Device, forged: Callable[[str, Cloud], bytes]
) -> None:
    cloud.acknowledges = False
    fill(spool, 0, 1)
    with capture_logs() as logs, at_work(device, 0.2):
        wait_for(lambda: cloud.deliveries == 2)
        cloud.say(TOPICS.ack, forged(spool.boot_id.hex(), cloud))
        wait_for(lambda: any(line["event"] == "message is not opened" for line in logs))
    assert spool.backlog().packets == 2


def test_a_command_is_carried_out_once_and_answered(cloud: Cloud, device: Device) -> None:
    with at_work(device):
        wait_for(lambda: len(cloud.births) == 1)
        topic, payload = cloud.command("ping", "c1")
        assert cloud.reply("c1") == documents.Reply("c1", ok=True, result={"pings": 1})
        cloud.say(topic, payload)  # as the broker may do
        wait_for(lambda: len(cloud.replies) == 2)
    assert (cloud.replies[1].ok, cloud.replies[1].detail, device.pings) == (False, "repeated", 1)


def test_the_deadline_of_a_command_counts_on_the_clouds_clock(
    broker: LoopbackBroker, secrets: Secrets, device: Device
) -> None:
    cloud = Cloud(broker.port, secrets=secrets, ahead_ms=24 * HOUR_MS)
    with at_work(device):
        wait_for(lambda: len(cloud.births) == 1)
        cloud.command("ping", "late", cloud.now_ms() - 1)
        assert cloud.reply("late").detail.startswith("late by ")
        cloud.command("ping", "in-time")
        assert cloud.reply("in-time").ok
    assert device.pings == 1
    cloud.close()


def test_no_command_is_obeyed_before_the_first_ack(cloud: Cloud, device: Device) -> None:
    cloud.acknowledges = False
    with at_work(device):
        wait_for(lambda: len(cloud.births) == 1)
        cloud.command("ping", "early")
        assert cloud.reply("early").detail.startswith("no time known")
    assert device.pings == 0


def test_an_unreadable_command_and_an_unknown_verb_are_answered(cloud: Cloud, device: Device) -> None:
    with at_work(device):
        wait_for(lambda: len(cloud.births) == 1)
        cloud.order_raw("ping", b'{"id":"c1","deadline_ms":"soon"}')
        assert "deadline_ms" in cloud.reply("c1").detail
        cloud.command("reboot", "c2")
        assert "reboot is not known" in cloud.reply("c2").detail
    assert device.pings == 0


def test_what_the_broker_makes_up_is_neither_obeyed_nor_answered(
    cloud: Cloud, device: Device, secrets: Secrets
) -> None:
    with capture_logs() as logs, at_work(device):
        wait_for(lambda: len(cloud.births) == 1)
        order = documents.encode(documents.Command("c1", cloud.now_ms() + HOUR_MS))
        own = SealedEnvelope(bytes(32), cloud.births[-1].key_id)
        topic = TOPICS.cmd("ping")
        for payload in (order, PlainEnvelope().wrap(order, topic), own.wrap(order, topic), b"\xa1", b"{"):
            cloud.say(topic, payload)
        cloud.command("ping", "c2")  # comes after them
        assert cloud.reply("c2").ok
    assert [reply.id for reply in cloud.replies] == ["c2"]
    assert [line["event"] for line in logs].count("message is not opened") == 5
    assert device.pings == 1
    assert secrets.keys


def test_a_command_of_an_earlier_connection_is_not_obeyed(
    broker: LoopbackBroker, spool: Spool, secrets: Secrets, device: Device
) -> None:
    cloud = Cloud(broker.port, secrets=secrets)
    with capture_logs(), at_work(device):
        wait_for(lambda: len(cloud.births) == 1)
        down = cloud.connections[cloud.births[-1].key_id].down
        order = documents.encode(documents.Command("kept", cloud.now_ms() + HOUR_MS))
        kept = down.wrap(order, TOPICS.cmd("ping"))  # the broker kept it back
        broker.stop()
        cloud.close()
        broker.start()
        again = Cloud(broker.port, secrets=secrets)
        fill(spool, 0)
        wait_for(lambda: len(again.births) >= 1, 60)
        again.say(TOPICS.cmd("ping"), kept)
        assert again.reply("kept").detail == "sealed for an earlier connection"
    assert device.pings == 0
    again.close()


def test_a_device_tells_how_it_is_when_it_connects_and_when_something_is_wrong(
    cloud: Cloud, spool: Spool, device: Device
) -> None:
    with at_work(device):
        wait_for(lambda: len(cloud.records) == 1)
        device.dropped = 3
        wait_for(lambda: len(cloud.records) == 2)
    wait_for(lambda: len(cloud.records) == 3)
    first, second, last = cloud.records
    assert (set(first.alarms), set(second.alarms)) == (set(), {Alarm.OVERLOADED})
    assert (second.dropped, last.dropped) == (3, 3)
    assert last.spent  # what went out since the alarm
    assert spool.backlog().waiting == 0


def test_an_ack_that_came_too_late_is_heard_at_the_next_connection(
    broker: LoopbackBroker, spool: Spool, secrets: Secrets, device: Device
) -> None:
    cloud = Cloud(broker.port, secrets=secrets, acknowledges=False)
    fill(spool, 0, 1)
    with at_work(device, 0.2):
        wait_for(lambda: cloud.deliveries == 2)
    cloud.acknowledge(spool.boot_id.hex(), 1)  # under the key of a connection that is over, and kept
    fill(spool, 2)
    with at_work(device, 0.2):
        wait_for(lambda: spool.backlog().packets == 1)
    assert [item.sequence for item in spool.pending(9)] == [2]
    assert cloud.order.count(0) == 1
    cloud.close()


def test_what_is_announced_anew_comes_under_a_new_key(cloud: Cloud, spool: Spool, device: Device) -> None:
    with at_work(device):
        wait_for(lambda: len(cloud.births) == 1)
        device.uplink.announce(birth_of(spool, "door", "yard"))
        wait_for(lambda: len(cloud.births) == 2)
        fill(spool, 0)
        wait_for(lambda: spool.backlog().packets == 0)
    assert [camera.name for camera in cloud.births[1].cameras] == ["door", "yard"]
    assert cloud.births[0].wrapped_key != cloud.births[1].wrapped_key
