"""`mirage deploy update` and `status`, a cloud that carries it out, devices at a real broker."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import func, select

from cloud.config import Broker, BundlePaths, Config, Security, StorePlace
from cloud.rollouts import orders
from cloud.rollouts.duty import Rollouts
from cloud.rollouts.judge import Pace
from cloud.rollouts.orders import RolloutError
from cloud.rollouts.report import RolloutReport, report
from cloud.run import run
from cloud.schema import BootRow
from cloud.store import Store
from mirage.demo.broker import LoopbackBroker
from mirage.deploy.release.trees import read_manifest
from mirage.deploy.rollout import command
from mirage.deploy.rollout.command import HaltedError, Request
from tests.cloud.ingesting import running, sealed_ingest
from tests.cloud.rollouts.updating import Updating
from tests.cloud.sealed import CLOUD_KEY
from tests.cloud.waiting import until
from tests.deploy.fleets import fleet_folder
from tests.deploy.release import made
from tests.deploy.rollout.radio import Radio
from wire.bundle import Bundle

PACE = Pace(look_s=0.05, answer_ms=20_000, first_ms=50, most_ms=500)
WAIT_S = 60.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LoopbackBroker]:
    made_ = LoopbackBroker(tmp_path)
    made_.start()
    yield made_
    made_.stop()


@pytest.fixture
def request_(tmp_path: Path, tiny: Path) -> Request:
    """Write a fleet of two amd64 boards in two waves, a release for them, and settings of a cloud."""
    gate = 'board = "orin-nano"  # orin-nano, orin-nx, orin-agx, generic-arm64, generic-amd64\njetpack = 6'
    file = fleet_folder(tmp_path / "fleet", tiny, (gate, 'board = "generic-amd64"'))
    config = tmp_path / "cloud.toml"
    config.write_text('[broker]\nhost = "127.0.0.1"\n[bundle]\npaths = ["none"]\n')
    return Request(file, config, (str(made.archive(tmp_path / "new.tar")),), yes=True)


@pytest.fixture
def store(request_: Request) -> Iterator[Store]:
    opened = Store(f"sqlite:///{request_.config.parent}/store.db")
    yield opened
    opened.close()


@contextmanager
def carried_out(store: Store) -> Iterator[None]:
    """Let a process of the cloud carry rollouts out."""
    stop = threading.Event()
    thread = threading.Thread(target=Rollouts(store, pace=PACE).run, args=(stop,), name="rollouts")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)


def fleet(bundle: Bundle, **ends: str) -> dict[str, Updating]:
    return {
        f"north-{name}": Updating(
            bundle, f"north-{name}", ends=end.removeprefix("away-"), is_here=end[:4] != "away"
        )
        for name, end in ends.items()
    }


def are_here(store: Store, devices: dict[str, Updating]) -> bool:
    """Tell whether the cloud knows of all devices that are there."""
    ready = select(func.count()).select_from(BootRow).where(BootRow.state == "ready")
    with store.read() as session:
        return session.scalar(ready) == sum(device.is_here for device in devices.values())


def told(store: Store) -> RolloutReport:
    with store.read() as session:
        row = orders.latest(session, "acme", "acme-cameras")
        assert row is not None
        return report(session, row, 0)


def never(_question: str) -> bool:
    raise AssertionError("nobody is to be asked")


def test_a_release_reaches_the_fleet_wave_after_wave(
    request_: Request,
    store: Store,
    broker: LoopbackBroker,
    bundle: Bundle,
    capsys: pytest.CaptureFixture[str],
) -> None:
    devices = fleet(bundle, gate="commits", yard="commits")
    ingest = sealed_ingest(broker.port, store, bundle)
    with (
        running(ingest),
        Radio(broker.port, store, bundle, devices),
        carried_out(store),
        carried_out(store),  # two processes of one cloud
    ):
        until(lambda: are_here(store, devices), WAIT_S)
        command.update(request_, never)
    assert [device.heard.count("set-release") for device in devices.values()] == [1, 1]
    lines = capsys.readouterr().out.splitlines()
    committed = [line for line in lines if line.endswith(": committed")]
    assert committed == ["acme/north/north-gate: committed", "acme/north/north-yard: committed"]
    assert "finished: 2 committed" in lines[-1]
    release = told(store).devices[0].release
    assert [device.release for device in devices.values()] == [release, release]
    command.status(request_.fleet, request_.config, json=True)
    printed = json.loads(capsys.readouterr().out)
    assert (printed["state"], [each["state"] for each in printed["devices"]]) == (
        "finished",
        ["committed"] * 2,
    )
    command.status(request_.fleet, request_.config, json=False)
    table = capsys.readouterr().out
    assert "north/north-gate" in table
    assert release[:8] in table


def test_a_cloud_that_ingests_carries_rollouts_out(
    request_: Request, store: Store, broker: LoopbackBroker, bundle: Bundle, tmp_path: Path
) -> None:
    devices = fleet(bundle, gate="commits", yard="commits")
    key = tmp_path / "cloud.key"
    key.write_bytes(CLOUD_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key.chmod(0o600)
    config = Config(
        broker=Broker("127.0.0.1", broker.port, ack_interval_s=0.2),
        bundle=BundlePaths((str(bundle.root),)),
        store=StorePlace(f"sqlite:///{tmp_path}/store.db", str(tmp_path / "objects")),
        security=Security(str(key)),
    )
    stop = threading.Event()
    cloud = threading.Thread(
        target=run, args=(config, stop), kwargs={"roles": frozenset({"ingest"})}, name="cloud"
    )
    cloud.start()
    try:
        for device in devices.values():  # they have been brought to it before: a ping each is enough
            device.release = read_manifest(Path(request_.release[0]), None).id
        with Radio(broker.port, store, bundle, devices):
            until(lambda: are_here(store, devices), WAIT_S)
            command.update(request_, never)
    finally:
        stop.set()
        cloud.join(60)
    assert told(store).counts == {"committed": 2}


def test_a_failure_halts_it_and_the_command_says_so(
    request_: Request, store: Store, broker: LoopbackBroker, bundle: Bundle
) -> None:
    devices = fleet(bundle, gate="rolls-back", yard="commits")
    ingest = sealed_ingest(broker.port, store, bundle)
    with running(ingest), Radio(broker.port, store, bundle, devices), carried_out(store):
        until(lambda: are_here(store, devices), WAIT_S)
        with pytest.raises(HaltedError, match="1 failed, 1 are enough to halt"):
            command.update(request_, never)
        assert devices["north-yard"].heard == []
        devices["north-gate"].ends = "commits"
        with pytest.raises(HaltedError):  # the same command says the same
            command.update(request_, never)
        retry = Request(request_.fleet, request_.config, follow=False)
        command.act(retry, lambda session, row: orders.retry(session, row, "north-gate", row.changed_ms))
        command.act(request_, lambda session, row: orders.resume(session, row, row.changed_ms))
    assert told(store).state == "finished"


def test_whoever_is_away_is_told_and_the_cloud_goes_on_alone(
    request_: Request,
    store: Store,
    broker: LoopbackBroker,
    bundle: Bundle,
    capsys: pytest.CaptureFixture[str],
) -> None:
    devices = fleet(bundle, gate="commits", yard="away-commits")
    ingest = sealed_ingest(broker.port, store, bundle)
    with running(ingest), Radio(broker.port, store, bundle, devices) as grounds, carried_out(store):
        until(lambda: are_here(store, devices), WAIT_S)
        command.update(request_, never)
        assert capsys.readouterr().out.splitlines()[-1] == "the cloud goes on when they come"
        grounds.comes(devices["north-yard"])
        until(lambda: told(store).state == "finished", WAIT_S)


def test_without_a_cloud_it_is_said_that_nobody_takes_it_up(
    request_: Request, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "UNMINDED_S", 0.1)
    with pytest.raises(HaltedError, match="no cloud takes it up"):
        command.update(request_, never)
    assert told(store).state == "running"


def test_nothing_is_ordered_without_a_yes(request_: Request, store: Store) -> None:
    asked = list[str]()

    def no(question: str) -> bool:
        asked.append(question)
        return False

    with pytest.raises(RolloutError, match="nothing was ordered"):
        command.update(Request(request_.fleet, request_.config, request_.release), no)
    assert asked == ["Bring version 0.1.0 to 2 devices of acme-cameras, in 2 waves?"]
    with store.read() as session:
        assert orders.latest(session, "acme", "acme-cameras") is None


def mirage(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mirage", "deploy", *arguments], capture_output=True, text=True, check=False
    )


def test_as_it_is_typed(request_: Request, store: Store) -> None:
    where = ("--fleet", str(request_.fleet), "--config", str(request_.config))
    done = mirage("status", *where)
    assert (done.returncode, done.stderr) == (2, "mirage: acme-cameras has no rollout\n")
    done = mirage("update", *where, "--release", request_.release[0])
    assert (done.returncode, done.stderr) == (2, "mirage: nobody is there to be asked: --yes\n")
    done = mirage("update", *where, "--release", request_.release[0], "--yes", "--detach")
    assert (done.returncode, done.stdout) == (0, "rollout 1: begun\n"), done.stderr
    done = mirage("update", *where, "--halt")
    assert done.stdout.startswith("rollout 1 of acme-cameras: halted (by hand): 2 waiting."), done.stderr
    assert told(store).state == "halted"
    done = mirage("update", *where, "--resume", "--halt")
    assert (done.returncode, done.stderr) == (
        2,
        "mirage: give one of --release and --bundle, --retry, --resume, --halt\n",
    )
