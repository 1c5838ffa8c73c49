"""A running agent takes orders for the updater, and swears that it works once the cloud has a packet."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("wire.release.zstd", reason="releases are packed with it")

from edge.config import Config
from edge.identity import software
from edge.kept import Kept, Wish, mark
from edge.outfit import keeper_of
from edge.update import desk, state, wishes
from edge.update import running as own
from edge.update.state import State, Work
from edge.update.wishes import Health, Wanted
from mirage.demo.broker import LoopbackBroker
from tests.edge.cloud import Cloud, wait_for
from tests.edge.films import panned, texture, write_film
from tests.edge.livecam import LiveCamera
from tests.edge.sealing import Secrets
from tests.edge.settings import config_of
from tests.edge.test_agent import running
from tests.edge.update.station import OLD, Maker, write_tree

OTHER, ORDER, TRIAL = "0123456789abcdef", "1" * 16, "aaaabbbbccccdddd"


@pytest.fixture
def cloud(broker: LoopbackBroker, secrets: Secrets) -> Iterator[Cloud]:
    made = Cloud(broker.port, secrets=secrets, acknowledges=False)
    yield made
    made.close()


@pytest.fixture
def plugged(tmp_path: Path) -> Iterator[LiveCamera]:
    """Give five seconds of a network camera."""
    pictures = panned(texture(0), (320, 180), [(2 * at, at) for at in range(125)])
    made = LiveCamera(write_film(tmp_path / "stream.ts", pictures).read_bytes())
    yield made
    made.unplug()


def under_trial(tmp_path: Path, port: int, bundle: Path, plugged: LiveCamera) -> Config:
    """Write the settings of an agent that was started to be tried."""
    (tmp_path / "update.toml").write_text(
        f'[update]\nurl = "http://127.0.0.1:1"\nroot = "{tmp_path}/opt"\nwishes = "{tmp_path}/var"\n'
    )
    folder = tmp_path / "opt/update"
    folder.mkdir(parents=True)
    state.write(folder, State(Work("agent", OTHER, ORDER, "trying", trial=TRIAL)))
    more = '[update]\nsettings = "update.toml"'
    return config_of(tmp_path, port, bundle, {"door": plugged.url}, more, broker="")


def test_an_agent_under_trial_takes_no_order_and_swears_when_a_packet_is_stored(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, cloud: Cloud, secrets: Secrets, plugged: LiveCamera
) -> None:
    secrets.write(tmp_path)
    config = under_trial(tmp_path, broker.port, tiny, plugged)
    with running(config):
        wait_for(lambda: cloud.deliveries >= 1, timeout_s=60)
        assert not (tmp_path / "var/healthy.json").exists(), "the cloud has stored nothing"
        cloud.acknowledges = True
        wait_for((tmp_path / "var/healthy.json").exists, timeout_s=60)
        health = wishes.read(tmp_path / "var/healthy.json", Health)
        assert health is not None
        assert (health.trial, health.release) == (TRIAL, None)
        assert health.bundle_sha256 == cloud.births[-1].bundle_sha256
        cloud.command("set-release", "a", release="2" * 16)
        assert "is being tried" in cloud.reply("a").detail
        cloud.command("ping", "p")
        assert cloud.reply("p").result["update"] == "trying"
        state.write(tmp_path / "opt/update", State())
        cloud.command("set-bundle", "b", bundle=OTHER)
        assert cloud.reply("b").result == {"update": "accepted"}
        wanted = wishes.read(tmp_path / "var/wanted.json", Wanted)
        assert wanted is not None
        assert wanted.bundle is not None
        assert wanted.bundle.id == OTHER


def test_an_agent_under_trial_that_cannot_do_what_the_cloud_has_set_swears_to_nothing(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker, cloud: Cloud, secrets: Secrets, plugged: LiveCamera,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The bundle under trial has no detector of people, so nothing is looked at, and all is quiet."""
    secrets.write(tmp_path)
    cloud.acknowledges = True
    monkeypatch.setattr(desk, "QUIET_S", 0.0)
    config = under_trial(tmp_path, broker.port, tiny, plugged)
    keeper_of(config).keep(Kept({"people": Wish("redact", mark("keep"))}))
    with running(config):
        wait_for(lambda: bool(cloud.births), timeout_s=60)
        cloud.command("set-policy", "what")
        assert cloud.reply("what").result["off"] is True
        before = plugged.served
        wait_for(lambda: plugged.served >= before + 2, timeout_s=120)
        assert not (tmp_path / "var/healthy.json").exists()
        cloud.command("set-policy", "keep", people="keep")
        assert cloud.reply("keep").ok
        wait_for((tmp_path / "var/healthy.json").exists, timeout_s=60)


def test_what_is_of_a_release_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = software()
    made = Maker(tmp_path).agent(OLD, "0.1.0")
    write_tree(tmp_path / "slot", made)
    own.own_release.cache_clear()
    monkeypatch.setattr("sys.prefix", str(tmp_path / "slot"))
    assert software() == f"{plain} {made.id[:8]}"
    (tmp_path / "slot/release.json").write_text("{")
    own.own_release.cache_clear()
    assert software() == plain
    own.own_release.cache_clear()
