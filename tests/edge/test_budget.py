"""A budget of a running device: on the disk before it is spent, and on the wire never exceeded."""

import contextlib
import json
import time
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from structlog.testing import capture_logs

from edge import agent
from edge.allowance import Limits, Purpose, Standing
from edge.budget import Budget
from edge.config import ConfigError
from edge.uplink import UplinkError
from mirage.demo.broker import LoopbackBroker, free_port
from mirage.demo.meter import Direction
from mirage.demo.proxy import CountingProxy, counting_proxy
from tests.edge.cloud import Cloud, wait_for
from tests.edge.films import panned, texture, write_film
from tests.edge.settings import config_of
from wire.packet import Layer

STANDING = Standing(1500)
MONTH = Limits(None, 4096, 31_000_000)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds of a camera that pans over one picture after another."""
    scenes = [panned(texture(at), (320, 180), [(3 * step, step) for step in range(100)]) for at in range(5)]
    pictures = np.concatenate(scenes)
    return write_film(tmp_path_factory.mktemp("films") / "film.mp4", pictures)


def sent_up(proxy: CountingProxy) -> int:
    return sum(tally.bytes for (direction, _), tally in proxy.totals().items() if direction is Direction.UP)


def test_what_was_spent_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "budget"
    budget = Budget(MONTH, STANDING, path)
    assert budget.admits(Purpose.LIVE, 1000, 0.0)
    budget.spent(Purpose.LIVE, 900_000, 0.0)
    budget.close()
    again = Budget(MONTH, STANDING, path)
    assert again.admits(Purpose.LIVE, 1000, 0.0)
    again.spent(Purpose.LIVE, 99_000, 0.0)
    assert not again.admits(Purpose.LIVE, 1000, 0.0)


def test_what_was_spent_before_a_crash_is_not_there_again(tmp_path: Path) -> None:
    """A thousand crashes, each right after something was sent, send no more than a day's share."""
    path, sent = tmp_path / "budget", 0
    for _ in range(1000):
        budget = Budget(MONTH, STANDING, path)
        if budget.admits(Purpose.LIVE, 2000, 0.0):
            budget.spent(Purpose.LIVE, 2000, 0.0)
            sent += 2000
    assert 100_000 < sent <= 1_000_000


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"level_bytes": "much"}', b"\xff\xfe"])
def test_a_damaged_account_counts_as_an_empty_one(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "budget"
    path.write_bytes(damage)
    with capture_logs() as logs:
        budget = Budget(MONTH, STANDING, path)
    assert [line["event"] for line in logs] == ["account cannot be read, begins empty"]
    assert not budget.admits(Purpose.CONNECTION, 1000, 0.0)
    assert budget.admits(Purpose.CONNECTION, 1000, 86_400.0)


def test_nothing_is_sent_where_the_account_cannot_be_kept(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    with capture_logs() as logs:
        assert not Budget(MONTH, STANDING, folder / "budget").admits(Purpose.LIVE, 100, 0.0)
    assert [line["event"] for line in logs] == ["account is not kept, nothing may be sent"]
    folder.mkdir()
    assert Budget(MONTH, STANDING, folder / "budget").admits(Purpose.LIVE, 100, 0.0)


def test_without_a_cap_there_is_no_file(tmp_path: Path) -> None:
    budget = Budget(Limits(100.0), STANDING, tmp_path / "budget")
    assert budget.admits(Purpose.LIVE, 1000, 0.0)
    budget.close()
    assert list(tmp_path.iterdir()) == []


def test_a_budget_that_cannot_work_is_an_error_of_the_settings(
    tmp_path: Path, tiny: Path, film: Path
) -> None:
    config = config_of(tmp_path, 1, tiny, {"door": str(film)}, "[network]\nbytes_per_month = 1000")
    with pytest.raises(ConfigError, match=r"network\.bytes_per_month 1000 .* takes \d+"):
        agent.run(config, Event())


def test_an_agent_sends_no_more_than_its_budget(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, cloud: Cloud, film: Path
) -> None:
    """Everything that goes up is counted: CONNECT, SUBSCRIBE, births, states, packets, receipts."""
    rate, burst, sent = 20, 2048, dict[str, int]()
    limited = f"[network]\nbytes_per_s = {rate}\nburst_bytes = {burst}"
    allowed = 0.0
    for name, more, drain_s in (("free", "", 60.0), ("limited", limited, 3.0)):
        (tmp_path / name).mkdir()
        with counting_proxy(broker.port) as proxy:
            config = config_of(tmp_path / name, proxy.port, tiny, {"door": str(film)}, more)
            began_s = time.monotonic()
            with contextlib.suppress(UplinkError):  # what did not fit waits
                agent.run(config, Event(), drain_timeout_s=drain_s)
            sent[name], allowed = sent_up(proxy), burst + rate * (time.monotonic() - began_s)
    assert sent["limited"] <= allowed
    assert sent["free"] > burst
    assert {len(cloud.sequences(birth.boot_id)) for birth in cloud.births} >= {10}


def test_the_account_is_exact_to_the_byte(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, cloud: Cloud, film: Path
) -> None:
    with counting_proxy(broker.port) as proxy:
        limits = "[network]\nbytes_per_month = 100000000"
        agent.run(config_of(tmp_path, proxy.port, tiny, {"door": str(film)}, limits), Event())
        kept = json.loads((tmp_path / "spool.db.budget").read_text())
        wait_for(lambda: sent_up(proxy) >= kept["month_bytes"])  # its goodbye may still be on the way
        assert kept["month_bytes"] == sent_up(proxy)
    assert cloud.failures == []


def test_a_broker_that_is_away_costs_nothing(tmp_path: Path, tiny: Path, film: Path) -> None:
    limits = "[network]\nbytes_per_month = 100000000"
    with pytest.raises(UplinkError):
        agent.run(
            config_of(tmp_path, free_port(), tiny, {"door": str(film)}, limits), Event(), drain_timeout_s=2.0
        )
    assert json.loads((tmp_path / "spool.db.budget").read_text())["month_bytes"] == 0


def test_a_connection_waits_until_there_is_room_for_it(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, film: Path
) -> None:
    """A device whose account is empty does not even greet the broker."""
    (tmp_path / "spool.db.budget").write_text("damaged")
    limits = "[network]\nbytes_per_month = 1000000"
    with counting_proxy(broker.port) as proxy:
        config = config_of(tmp_path, proxy.port, tiny, {"door": str(film)}, limits)
        with pytest.raises(UplinkError):
            agent.run(config, Event(), drain_timeout_s=2.0)
        assert sent_up(proxy) == 0


def test_a_tight_budget_keeps_captions_and_gives_up_detail(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, cloud: Cloud, film: Path
) -> None:
    (tmp_path / "free").mkdir()
    free = config_of(tmp_path / "free", broker.port, tiny, {"door": str(film)})
    whole = agent.run(free, Event())
    cloud.packets.clear()
    limits = "[network]\nbytes_per_s = 60\nburst_bytes = 2048"
    config = config_of(tmp_path, broker.port, tiny, {"door": str(film)}, limits)
    with contextlib.suppress(UplinkError):  # what did not fit waits
        agent.run(config, Event(), drain_timeout_s=12.0)
    packets = list(cloud.packets.values())
    assert packets
    assert all(Layer.CAPTION in packet.layers for packet in packets)
    details = sum(Layer.APPEARANCE_DETAIL in packet.layers for packet in packets)
    assert details / len(packets) < 1
    assert whole.layers["appearance-detail"] > 0


def test_a_large_budget_changes_no_packet(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, cloud: Cloud, film: Path
) -> None:
    sizes = []
    for name, limits in (("free", ""), ("rich", "[network]\nbytes_per_s = 1000000\nburst_bytes = 1000000")):
        (tmp_path / name).mkdir()
        config = config_of(tmp_path / name, broker.port, tiny, {"door": str(film)}, limits)
        sizes.append([report.packet_bytes for report in agent.run(config, Event()).segments])
    assert sizes[0] == sizes[1]
    assert cloud.failures == []


def test_outside_its_hours_segments_wait_and_connections_do_not() -> None:
    hours = [False]
    budget = Budget(Limits(), sends=lambda: hours[0])
    admitted = [budget.admits(purpose, 100, 0.0) for purpose in Purpose]
    assert admitted == [True, True, False, False]
    hours[0] = True
    assert all(budget.admits(purpose, 100, 0.0) for purpose in Purpose)
