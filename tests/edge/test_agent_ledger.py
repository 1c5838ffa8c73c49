"""The ledger of a whole run is what went through a proxy, by the same names, and what the packets hold."""

import json
from pathlib import Path
from threading import Event

import pytest

from edge import agent
from edge.summary import RunSummary
from mirage.demo.broker import LoopbackBroker
from mirage.demo.meter import Direction, Tally
from mirage.demo.proxy import CountingProxy, counting_proxy
from tests.edge.cloud import Cloud, wait_for
from tests.edge.films import panned, texture, write_film
from tests.edge.settings import config_of
from wire.spent import KINDS

Slots = dict[tuple[str | None, str, str], int]


@pytest.fixture
def run(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, cloud: Cloud
) -> tuple[RunSummary, Slots, dict[str, Tally]]:
    film = write_film(
        tmp_path / "film.mp4", panned(texture(3), (320, 180), [(3 * at, at) for at in range(100)])
    )
    with counting_proxy(broker.port) as proxy:
        config = config_of(tmp_path, proxy.port, tiny, {"door": str(film)})
        summary = agent.run(config, Event())
        entries = json.loads((tmp_path / "spool.db.ledger").read_text())
        ledger = {(camera, layer, kind): size for camera, layer, kind, size in entries}
        wait_for(lambda: sum(tally.bytes for tally in sent_up(proxy).values()) >= sent_by(ledger))
        counted = sent_up(proxy)
    assert cloud.failures == []
    return summary, ledger, counted


def sent_up(proxy: CountingProxy) -> dict[str, Tally]:
    return {name: tally for (way, name), tally in proxy.totals().items() if way is Direction.UP}


def sent_by(ledger: Slots) -> int:
    return sum(size for (_, _, kind), size in ledger.items() if kind != "transport")


def test_a_run_is_counted_to_the_byte(run: tuple[RunSummary, Slots, dict[str, Tally]]) -> None:
    summary, ledger, counted = run
    assert sent_by(ledger) == sum(tally.bytes for tally in counted.values())
    kinds = {kind: sum(size for key, size in ledger.items() if key[2] == kind) for kind in KINDS}
    assert summary.sent_bytes == kinds
    for name in ("birth", "state", "telemetry"):
        assert ledger[None, name, "payload"] == counted[name].payload_bytes
    door = {layer: size for (camera, layer, kind), size in ledger.items() if camera and kind == "payload"}
    assert sum(door.values()) == counted["sem"].payload_bytes
    del door["header"]
    assert door == summary.layers


def test_a_run_has_headers_of_tcp_for_its_packets_and_for_its_connection(
    run: tuple[RunSummary, Slots, dict[str, Tally]],
) -> None:
    _, ledger, _ = run
    assert ledger["door", "packet", "transport"] > 52
    assert ledger[None, "packet", "transport"] > 52
