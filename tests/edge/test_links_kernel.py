"""Two links for the kernel to choose from: a network namespace with two ways to a real Mosquitto.

namespace             host
eth7   10.91.1.2 ---- 10.91.1.1  metric 100     10.91.9.1:PORT, Mosquitto
wwan7  10.91.2.2 ---- 10.91.2.1  metric 700
"""

import ctypes
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.address import Address
from edge.allowance import Limits, Standing
from edge.budget import Budget, Terms
from edge.commands import Commands
from edge.links import Links
from edge.session import PlainSession
from edge.spool import Spool
from edge.uplink import Parts, Uplink
from tests.edge.cloud import TOPICS, Cloud, wait_for
from tests.edge.test_uplink import birth_of, fill
from tests.mosquitto import mosquitto
from wire.policy import Link, Network

SPACE, BROKER = "mirage-links", "10.91.9.1"
WAYS = (("eth7", "mirhost1", "10.91.1", 100), ("wwan7", "mirhost2", "10.91.2", 700))
_NEWNET = 0x40000000  # CLONE_NEWNET, include/uapi/linux/sched.h
LISTEN = "user root\nlistener {port} 0.0.0.0\nallow_anonymous true\n"

NETWORK = Network(
    bytes_per_s=1000.0,
    link=(Link("ethernet", "eth*", bytes_per_s="unlimited"), Link("lte", "wwan*", bytes_per_s=500.0)),
)


def ip(*words: object) -> None:
    subprocess.run(["ip", *map(str, words)], check=True, capture_output=True, timeout=30)


def inside(*words: object) -> None:
    ip("-n", SPACE, *words)


@pytest.fixture
def space() -> Iterator[None]:
    """Make the namespace and both ways."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces take root, and ip of iproute2")
    try:
        ip("netns", "add", SPACE)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
    try:
        ip("addr", "add", f"{BROKER}/32", "dev", "lo")
        inside("link", "set", "lo", "up")
        for name, host, net, metric in WAYS:
            ip("link", "add", host, "type", "veth", "peer", "name", name, "netns", SPACE)
            ip("addr", "add", f"{net}.1/30", "dev", host)
            ip("link", "set", host, "up")
            inside("addr", "add", f"{net}.2/30", "dev", name)
            inside("link", "set", name, "up")
            inside("route", "add", "default", "via", f"{net}.1", "metric", metric)
        yield
    finally:
        subprocess.run(["ip", "netns", "del", SPACE], check=False, capture_output=True)
        subprocess.run(["ip", "addr", "del", f"{BROKER}/32", "dev", "lo"], check=False, capture_output=True)


def enter(space: str) -> None:
    """Take this thread into a namespace."""
    descriptor = os.open(f"/run/netns/{space}", os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, _NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(descriptor)


@pytest.mark.usefixtures("space")
def test_a_device_goes_by_the_link_that_the_kernel_chooses(tmp_path: Path, spool: Spool) -> None:
    folder, finish = tmp_path / "broker", threading.Event()
    folder.mkdir()
    links = Links(NETWORK, look_s=0.2, sure_s=0.5)
    terms = {name: Terms(Limits(NETWORK.on(name).bytes_per_s)) for name in ("ethernet", "lte")}
    budget = Budget(Limits(1000.0), Standing(600), links=terms)
    with mosquitto(folder, LISTEN) as broker:
        cloud = Cloud(broker.port)
        address = Address(BROKER, broker.port, connect_s=5.0, answer_s=10.0)
        parts = Parts(PlainSession(), budget, Commands({}), links=links)
        uplink = Uplink(address, TOPICS, spool, birth_of(spool, "door"), parts)

        def run() -> None:
            enter(SPACE)
            uplink.run(finish, 20.0)

        thread = threading.Thread(target=run, name="uplink")
        thread.start()
        try:
            fill(spool, 0)
            wait_for(lambda: spool.backlog().packets == 0, 60)
            assert (links.active, links.interface, budget.limits.bytes_per_s) == ("ethernet", "eth7", None)

            inside("link", "set", "eth7", "down")  # the cable is pulled
            wait_for(lambda: budget.limits.bytes_per_s == 500.0, 60)
            fill(spool, 1)
            wait_for(lambda: spool.backlog().packets == 0, 60)
            assert (links.active, links.interface) == ("lte", "wwan7")

            inside("link", "set", "eth7", "up")  # and put in again, while LTE still works
            inside("route", "add", "default", "via", "10.91.1.1", "metric", 100)
            wait_for(lambda: uplink.is_connected and links.active == "ethernet", 60)
            fill(spool, 2)
            wait_for(lambda: spool.backlog().packets == 0, 60)
            assert (links.interface, budget.limits.bytes_per_s) == ("eth7", None)
        finally:
            finish.set()
            thread.join(60)
            cloud.close()
    assert cloud.order[-1] == 2
