"""The broker's lists follow the register, and a real Mosquitto follows the lists."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import httpx
import pytest
from cryptography.x509 import CertificateRevocationList, CRLNumber, load_pem_x509_crl
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from cloud import enrolment as register
from cloud.acl import Grant
from cloud.certificate import certificate_of
from cloud.clock import wall_ms
from cloud.config import ConfigError
from cloud.identity.certificates import DAY_MS
from edge.enrolment import Enroller
from edge.enrolment_config import load
from mirage.broker_sync import Pace, ReloadError, Sync, Wanted, keep, reloader
from mirage.cli import app
from mirage.demo.broker import free_port
from mirage.enrolment import Roles
from mirage.errors import InputError
from tests.cloud.waiting import until
from tests.mosquitto import Mosquitto, mosquitto, shipped
from tests.office import Counter, counter
from tests.party import Party, admitted
from tests.pki import Credentials, Pki, new_key
from wire.topics import DeviceTopics

DOOR = DeviceTopics("acme", "north", "edge-1")
YARD = DeviceTopics("acme", "north", "edge-2")
ALL_SEEING = Roles([Grant("observer.all", reads=("#",), writes=("#",))])


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Counter]:
    with counter(tmp_path / "cloud") as made:
        yield made


def enrolled(desk: Counter, folder: Path, device: DeviceTopics) -> Credentials:
    """Have a device enrol as devices do."""
    outcome = Enroller(load(desk.seed(folder, device))).enrol(threading.Event())
    assert outcome is not None
    return Credentials(folder / "identity/device.pem", folder / "identity/device.key", new_key())


def revoked(path: Path) -> CertificateRevocationList:
    return load_pem_x509_crl(path.read_bytes())


def serial_of(credentials: Credentials) -> int:
    return certificate_of(credentials.certificate.read_bytes()).serial_number


class Reloads:
    """Counts, and fails when it should."""

    def __init__(self) -> None:
        self.count = 0
        self.fails = False

    def __call__(self) -> None:
        if self.fails:
            raise ReloadError("no broker")
        self.count += 1


def syncing(desk: Counter, reload: Reloads) -> Sync:
    wanted = Wanted(desk.folder / "acl", desk.folder / "list.pem", Roles.of(["main"]))
    return Sync(desk.config, desk.store, wanted, reload)


def test_what_has_not_changed_is_neither_written_nor_reloaded(desk: Counter, tmp_path: Path) -> None:
    reload = Reloads()
    sync, now_ms = syncing(desk, reload), wall_ms()
    assert sync.look(now_ms)
    acl, crl = (desk.folder / "acl").read_bytes(), (desk.folder / "list.pem").read_bytes()
    assert not sync.look(now_ms + 1000)
    assert reload.count == 1
    assert ((desk.folder / "acl").read_bytes(), (desk.folder / "list.pem").read_bytes()) == (acl, crl)
    with desk.open():
        enrolled(desk, tmp_path / "device", DOOR)
    assert sync.look(now_ms + 2000)
    assert b"user edge-1\n" in (desk.folder / "acl").read_bytes()
    assert (desk.folder / "list.pem").read_bytes() == crl
    assert reload.count == 2


def test_a_list_of_revocations_is_made_anew_each_day_with_a_higher_number(desk: Counter) -> None:
    reload, path = Reloads(), desk.folder / "list.pem"
    sync, now_ms = syncing(desk, reload), wall_ms()
    sync.look(now_ms)
    first = revoked(path)
    assert not sync.look(now_ms + DAY_MS // 2)
    assert sync.look(now_ms + DAY_MS)
    second = revoked(path)
    numbers = [
        each.extensions.get_extension_for_class(CRLNumber).value.crl_number for each in (first, second)
    ]
    assert numbers[0] < numbers[1]
    ends = second.next_update_utc
    assert ends is not None
    now = datetime.fromtimestamp(now_ms / 1000, timezone.utc)
    assert ends <= now + timedelta(days=31)
    assert reload.count == 2


def test_a_broker_that_was_not_told_is_told_later(desk: Counter) -> None:
    reload = Reloads()
    reload.fails = True
    sync, now_ms = syncing(desk, reload), wall_ms()
    with pytest.raises(ReloadError):
        sync.look(now_ms)
    reload.fails = False
    assert not sync.look(now_ms + 1)
    assert reload.count == 1


def test_what_another_list_of_the_authority_revokes_is_in_ours(desk: Counter) -> None:
    client = desk.pki.client("subscriber.left")
    desk.pki.revoke(client)
    desk.settings.write_text(desk.settings.read_text() + 'revoked = "crl.pem"\n')
    output = desk.folder / "all.pem"
    result = CliRunner().invoke(
        app, ["cloud", "crl", "--config", str(desk.settings), "--output", str(output)]
    )
    assert result.exit_code == 0, result.output
    assert [each.serial_number for each in revoked(output)] == [serial_of(client)]
    foreign = Pki(desk.folder / "foreign")
    (desk.folder / "crl.pem").write_bytes((foreign.folder / "crl.pem").read_bytes())
    result = CliRunner().invoke(
        app, ["cloud", "crl", "--config", str(desk.settings), "--output", str(output)]
    )
    assert isinstance(result.exception, ConfigError)


def test_a_revoked_device_is_let_go_by_a_real_broker(desk: Counter, tmp_path: Path) -> None:
    folder = desk.folder
    observer = desk.pki.client("observer.all")
    with desk.open():
        door = enrolled(desk, tmp_path / "door", DOOR)
        yard = enrolled(desk, tmp_path / "yard", YARD)
    wanted = Wanted(folder / "acl", folder / "crl.pem", ALL_SEEING)
    reloads = Reloads()
    Sync(desk.config, desk.store, wanted, reloads).look(wall_ms())
    pid_file = folder / "mosquitto.pid"
    with mosquitto(folder, shipped(folder) + f"\npid_file {pid_file}\n") as broker:
        sync = Sync(desk.config, desk.store, wanted, reloader(pid_file, None))
        with (
            admitted(Party(broker.port, desk.pki.ca, observer), "mirage/#") as watcher,
            admitted(Party(broker.port, desk.pki.ca, yard), YARD.ack) as bystander,
            admitted(Party(broker.port, desk.pki.ca, door), DOOR.ack) as device,
        ):
            assert device.publish(DOOR.sem("door"), b"before")
            with desk.store.write() as session:
                register.revoke(session, "edge-1", wall_ms())
            assert sync.look(wall_ms())
            wait_until_refused(broker, desk.pki, door)
            assert not device.publish(DOOR.sem("door"), b"after")
            assert bystander.publish(YARD.sem("door"), b"last")
            watcher.wait_for(YARD.sem("door"), b"last")
            assert b"after" not in [heard.payload for heard in watcher.heard]
            watcher.publish(DOOR.ack, b"secret")
            watcher.publish(YARD.ack, b"last")
            bystander.wait_for(YARD.ack, b"last")
            assert device.heard == []
    assert [each.serial_number for each in revoked(folder / "crl.pem")] == [serial_of(door)]


def wait_until_refused(broker: Mosquitto, pki: Pki, credentials: Credentials) -> None:
    """Wait for the broker to have read its lists."""
    for _ in range(200):
        party = Party(broker.port, pki.ca, credentials)
        verdict = party.connect()
        party.close()
        if verdict != "Success":
            return
    pytest.fail("the broker goes on letting a revoked certificate in")


def test_the_command_writes_both_lists_and_runs_what_it_is_told(desk: Counter, tmp_path: Path) -> None:
    told = tmp_path / "told"
    result = CliRunner().invoke(
        app,
        [
            "cloud", "broker-sync", "--config", str(desk.settings), "--acl", str(desk.folder / "acl"),
            "--crl", str(desk.folder / "list.pem"), "--subscriber", "viewer=acme", "--once",
            "--reload-command", f"touch {told}",
        ],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert told.exists()
    assert b"subscriber.viewer" in (desk.folder / "acl").read_bytes()
    assert list(revoked(desk.folder / "list.pem")) == []


def scraped(port: int) -> dict[str, float]:
    """Read what Prometheus would of the list of revocations."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=60).text
    families = text_string_to_metric_families(text)
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_prometheus_reads_when_the_list_of_revocations_ends(desk: Counter) -> None:
    stop, port, path = threading.Event(), free_port(), desk.folder / "list.pem"
    wanted = Wanted(desk.folder / "acl", path, Roles.of(["main"]))
    thread = threading.Thread(target=keep, args=(desk.settings, wanted, Reloads(), Pace(3600, port), stop))
    thread.start()
    try:
        until(lambda: answers(port), 60)
        made = revoked(path)
        assert made.next_update_utc is not None
        began_s = (made.last_update_utc + timedelta(days=1)).timestamp()  # a day before, for clocks behind
        assert scraped(port) == {
            "mirage_broker_crl_made_timestamp_seconds": began_s,
            "mirage_broker_crl_next_update_timestamp_seconds": made.next_update_utc.timestamp(),
        }
        path.write_bytes(b"no list")
        assert set(scraped(port).values()) == {0.0}
        path.unlink()
        assert set(scraped(port).values()) == {0.0}
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def answers(port: int) -> bool:
    try:
        return bool(scraped(port))
    except httpx.TransportError:
        return False


def test_a_broker_that_cannot_be_told_is_said(tmp_path: Path) -> None:
    for pid_file, command in ((None, None), (tmp_path / "pid", "true")):
        with pytest.raises(InputError, match="either --reload-pid or --reload-command"):
            reloader(pid_file, command)
    with pytest.raises(ReloadError, match="exit 1"):
        reloader(None, "false")()
    with pytest.raises(ReloadError, match="no-such-program"):
        reloader(None, "no-such-program")()
    with pytest.raises(ReloadError, match="no SIGHUP"):
        reloader(tmp_path / "missing", None)()
    (tmp_path / "pid").write_text("-1\n")
    with pytest.raises(ReloadError, match="no process number"):
        reloader(tmp_path / "pid", None)()
