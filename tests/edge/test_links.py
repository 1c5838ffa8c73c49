"""Several links: the one that carries the uplink holds, and what it does not carry waits."""

import threading
import time
from pathlib import Path

import msgspec

from edge.address import Address
from edge.allowance import Limits, Purpose, Standing
from edge.budget import Budget, Terms
from edge.commands import Commands
from edge.links import Ends, Kernel, Links, infos
from edge.session import PlainSession
from edge.spool import Spool
from edge.uplink import Parts, Uplink
from edge.watch import Figures, Watch
from mirage.demo.broker import LoopbackBroker
from tests.edge.cloud import TOPICS, Cloud, wait_for
from tests.edge.test_uplink import birth_of, fill, running
from wire.documents import LinkInfo
from wire.packet import Layer, Packet
from wire.policy import Link, Network

NETWORK = Network(
    bytes_per_s=500.0,
    link=(
        Link("ethernet", "e*", bytes_per_s="unlimited"),
        Link("lte", ("wwan*", "ppp*"), "0.40 EUR", bytes_per_s=62.5, layers=("caption",), latency_ms=4000),
    ),
)
SMALL = Standing(600)


class Ways:
    """A kernel that sends by `interface`, as long as there is one."""

    def __init__(self, interface: str | None) -> None:
        self.interface = interface

    def kernel(self) -> Kernel:
        return Kernel(lambda _peer, _local: self.interface, lambda host, _: [host])


def links_by(ways: Ways, adopted: list[Network] | None = None, sure_s: float = 15.0) -> Links:
    adopt = (lambda _: None) if adopted is None else adopted.append
    return Links(NETWORK, adopt, ways.kernel(), look_s=0.0, sure_s=sure_s)


def rich(sequence: int) -> bytes:
    layers: dict[int, bytes] = {Layer.CAPTION: b"seen", Layer.APPEARANCE_TOKENS: bytes(40)}
    return bytes(Packet(sequence, sequence * 2000, 2000, layers, refresh=True))


def test_the_link_of_the_interface_holds_once_it_is_followed() -> None:
    ways, adopted = Ways("wwan0"), list[Network]()
    links = links_by(ways, adopted)
    assert links.network.bytes_per_s == 500
    assert links.ahead("192.0.2.1", 1883) == "lte"
    links.follow(links.carrying(Ends("192.0.2.7", "192.0.2.1")))
    assert (links.active, links.interface, links.place) == ("lte", "wwan0", 1)
    assert [network.bytes_per_s for network in adopted] == [62.5]
    links.follow("lte")
    assert len(adopted) == 1


def test_an_interface_of_no_link_goes_by_the_network() -> None:
    links = links_by(Ways("wg0"))
    links.follow(links.carrying(Ends("192.0.2.7", "192.0.2.1")))
    assert (links.active, links.place, links.network.bytes_per_s) == ("", None, 500)


def test_where_the_kernel_does_not_tell_the_link_stays() -> None:
    ways = Ways("wwan0")
    links = links_by(ways)
    links.follow("lte")
    ways.interface = None
    assert links.ahead("192.0.2.1", 1883) == "lte"
    assert links.carrying(Ends("192.0.2.7", "192.0.2.1")) == "lte"
    assert not links.leaves("192.0.2.1", 1883, 100.0)


def test_a_connection_is_left_once_another_way_has_lasted() -> None:
    ways = Ways("wwan0")
    links = links_by(ways)
    links.follow("lte")
    assert not links.leaves("192.0.2.1", 1883, 100.0)
    ways.interface = "eth0"
    assert not links.leaves("192.0.2.1", 1883, 110.0)
    ways.interface = "ppp0"  # another interface of the same link
    assert not links.leaves("192.0.2.1", 1883, 120.0)
    ways.interface = "eth0"
    assert not links.leaves("192.0.2.1", 1883, 130.0)
    assert not links.leaves("192.0.2.1", 1883, 144.0)
    assert links.leaves("192.0.2.1", 1883, 145.0)


def test_without_links_nobody_is_asked() -> None:
    def fail(*_: object) -> str:
        raise AssertionError("asked")

    links = Links(Network(bytes_per_s=1.0), kernel=Kernel(fail, fail))  # type: ignore[arg-type]
    assert links.ahead("192.0.2.1", 1883) == ""
    assert links.carrying(Ends("a", "b")) == ""
    assert not links.leaves("192.0.2.1", 1883, 1e9)


def test_a_birth_names_links_and_prices() -> None:
    assert infos(NETWORK) == (LinkInfo("ethernet"), LinkInfo("lte", "0.40 EUR"))


def budget(path: Path | None = None) -> Budget:
    lte = Terms(Limits(62.5, 4096, 40_000_000), lambda: False)
    return Budget(Limits(500.0), SMALL, path, links={"lte": lte})


def test_each_link_has_limits_hours_and_an_account_of_its_own(tmp_path: Path) -> None:
    both = budget(tmp_path / "spool.budget")
    assert both.admits(Purpose.LIVE, 100, 0.0)
    both.follow("lte")
    assert (both.limits.bytes_per_s, both.limits.bytes_per_month) == (62.5, 40_000_000)
    assert not both.admits(Purpose.LIVE, 100, 0.0)  # not at this hour
    assert both.admits(Purpose.RECORD, 100, 0.0)
    both.spent(Purpose.RECORD, 1000, 0.0)
    assert both.month_bytes == 1000
    both.follow("ethernet")  # which has none, so that of the network
    assert both.limits.bytes_per_s == 500
    assert both.month_bytes == 0


def test_the_month_of_a_link_goes_on_after_a_change_and_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "spool.budget"
    first = budget(path)
    first.follow("lte")
    first.hear(1_790_000_000_000, 0.0)
    first.admits(Purpose.RECORD, 100, 0.0)
    first.spent(Purpose.RECORD, 1000, 0.0)
    first.follow("")
    first.close()
    kept = msgspec.json.decode((tmp_path / "spool.budget-lte").read_bytes())
    assert kept["month_bytes"] == 1000
    second = budget(path)
    second.follow("lte")
    assert second.month_bytes == 1000


def test_time_flows_in_while_another_link_is_followed() -> None:
    both = budget()
    both.follow("lte")
    both.spent(Purpose.RECORD, 4000, 0.0)
    assert not both.admits(Purpose.RECORD, 2000, 0.0)
    both.follow("")
    both.follow("lte")
    assert both.admits(Purpose.RECORD, 2000, 60.0)  # 62.5 bytes in each second


class Device:
    """An uplink that seals nothing, on links."""

    def __init__(self, port: int, spool: Spool, links: Links) -> None:
        self.links = links
        self.budget = Budget(Limits(500.0), SMALL, links={"lte": Terms(Limits(62.5))})
        watch = Watch(spool, lambda: 0, lambda: False, Figures(link=lambda: links.place))
        parts = Parts(PlainSession(), self.budget, Commands({}), watch, links=links)
        self.uplink = Uplink(Address("127.0.0.1", port), TOPICS, spool, birth_of(spool, "door"), parts)


def test_a_device_goes_over_to_another_link_and_keeps_its_limits(
    broker: LoopbackBroker, cloud: Cloud, spool: Spool
) -> None:
    ways = Ways("eth0")
    device = Device(broker.port, spool, links_by(ways, sure_s=0.5))
    spool.append(0, "door", rich(0))
    with running(device.uplink):
        wait_for(lambda: spool.backlog().packets == 0)
        assert (device.links.active, device.budget.limits.bytes_per_s) == ("ethernet", 500)
        time.sleep(1.1)  # records are told apart by seconds
        ways.interface = "wwan0"
        wait_for(lambda: device.budget.limits.bytes_per_s == 62.5)
        spool.append(1, "door", rich(1))
        fill(spool, 2)
        wait_for(lambda: 2 in cloud.order)
        time.sleep(1.1)
        assert 1 not in cloud.order  # it has tokens, which LTE does not carry here
        ways.interface = "eth0"
        wait_for(lambda: spool.backlog().packets == 0)
        wait_for(lambda: [record.link for record in cloud.records][:3] == [0, 0, 1])
    assert 1 in cloud.order


def test_packets_at_qos_0_leave_the_spool_by_the_cloud_and_are_sent_again_without_it(
    broker: LoopbackBroker, spool: Spool
) -> None:
    cloud = Cloud(broker.port, acknowledges=False)
    links = Links(Network(qos=0))
    parts = Parts(PlainSession(), Budget(Limits()), Commands({}), resend_s=1.0, links=links)
    uplink = Uplink(Address("127.0.0.1", broker.port), TOPICS, spool, birth_of(spool, "door"), parts)
    fill(spool, *range(100))
    with running(uplink):
        wait_for(lambda: cloud.deliveries >= 100)
        assert spool.backlog().packets == 100  # nobody has acknowledged one
        cloud.acknowledges = True
        wait_for(lambda: spool.backlog().packets == 0)
    assert sorted(set(cloud.order)) == list(range(100))
    cloud.close()


def test_one_packet_a_minute_goes_at_qos_1_where_the_others_do_not() -> None:
    links = Links(Network(qos=0))
    assert [links.qos(now_s) for now_s in (0.0, 1.0, 59.0, 60.0, 61.0, 121.0)] == [1, 0, 0, 1, 0, 1]
    assert {Links(Network()).qos(now_s) for now_s in (0.0, 1.0)} == {1}


def test_a_thread_that_reads_sees_one_link_or_the_other() -> None:
    links, seen, stop = links_by(Ways("eth0")), set[float | None](), threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(links.network.bytes_per_s)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(200):
        links.follow("lte")
        links.follow("ethernet")
    stop.set()
    reader.join()
    assert seen <= {500, 62.5, None}
