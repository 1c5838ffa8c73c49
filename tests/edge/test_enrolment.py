"""A device makes its key and gets its certificate, wherever it is cut off; and later the next one."""

import os
import shutil
import threading
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import structlog
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from typer.testing import CliRunner

pytest.importorskip("sqlalchemy", reason="the cloud's half, which certifies, is not installed")

from sqlalchemy import delete

from cloud import enrolment as register
from cloud.authority import device_certificate
from cloud.certificate import certificate_of, identity_of
from cloud.identity import alarms
from cloud.schema import CertificateRow, EnrolmentRow
from edge.backoff import Backoff
from edge.enrolment import Enroller, is_due
from edge.enrolment_client import RefusedError
from edge.enrolment_config import EnrolmentConfigError, load
from edge.identity_files import IdentityError
from mirage.cli import app
from mirage.errors import mistakes
from tests.office import Counter, counter
from tests.pki import EXPIRED, Pki
from wire.topics import DeviceTopics

DOOR = DeviceTopics("acme", "north", "edge-1")
IMPATIENT = Backoff(0.0, 0.0)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Counter]:
    with counter(tmp_path / "cloud") as made:
        yield made


def never() -> threading.Event:
    return threading.Event()


def enrol(settings: Path) -> None:
    outcome = Enroller(load(settings), IMPATIENT).enrol(never())
    assert outcome is not None


def check_enrolled(desk: Counter, device: Path) -> None:
    """Check that the device has what the cloud knows, that its key is its own, and nothing is left over."""
    identity = device / "identity"
    assert sorted(each.name for each in identity.iterdir()) == ["device.key", "device.pem"]
    assert (identity / "device.key").stat().st_mode & 0o777 == 0o600
    assert (identity / "device.pem").stat().st_mode & 0o777 == 0o644
    key = load_pem_private_key((identity / "device.key").read_bytes(), None)
    certified = identity_of((identity / "device.pem").read_bytes())
    assert (certified.device, certified.public_key) == (DOOR, key.public_key())
    assert not (device / "claim").exists()
    with desk.store.read() as session:
        (enrolled,) = register.enrolments_of(session)
        assert alarms.alarms_of(session) == []
    assert enrolled.public_key == key.public_key()


def test_a_device_enrols_over_tls_and_does_it_once(desk: Counter, tmp_path: Path) -> None:
    settings = desk.seed(tmp_path / "device", DOOR)
    with desk.open():
        first = CliRunner().invoke(app, ["edge", "enrol", "--config", str(settings)])
    assert first.exit_code == 0, first.output
    assert "device.pem: new, valid until" in first.output
    check_enrolled(desk, tmp_path / "device")
    again = CliRunner().invoke(app, ["edge", "enrol", "--config", str(settings)])  # nobody is there to ask
    assert again.exit_code == 0, again.output
    assert "is there" in again.output


class CutError(BaseException):
    """The power is gone."""


class Power:
    """Goes off at the n-th of the calls that change something, before or after it was done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
        self._left = after
        for owner, name in [
            (os, "open"),
            (os, "fsync"),
            (Path, "replace"),
            (Path, "unlink"),
            (Path, "chmod"),
            (urllib.request.OpenerDirector, "open"),
        ]:
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, call: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: object, **named: object) -> object:
            self._spend()
            result = call(*arguments, **named)
            if self._left == 0 and hasattr(result, "close"):
                result.close()
            self._spend()
            return result

        return counted

    def _spend(self) -> None:
        if self._left == 0:
            raise CutError
        self._left -= 1


def test_wherever_it_is_cut_off_the_next_run_ends_well(desk: Counter, tmp_path: Path) -> None:
    cuts = 0
    with desk.open():
        for after in range(200):
            device = tmp_path / f"device-{after}"
            with desk.store.write() as session:
                session.execute(delete(EnrolmentRow))
            settings = desk.seed(device, DOOR)
            with pytest.MonkeyPatch.context() as patch:
                Power(patch, after)
                try:
                    enrol(settings)
                    break
                except CutError:
                    cuts += 1
            key = device / "identity/device.key"
            before = key.read_bytes() if key.exists() else None
            enrol(settings)
            assert before in (None, key.read_bytes()), "a key that is there is never replaced"
            check_enrolled(desk, device)
    assert cuts > 20, "otherwise nothing was cut"


def test_it_waits_for_the_cloud_and_goes_on(desk: Counter, tmp_path: Path) -> None:
    settings = desk.seed(tmp_path / "device", DOOR)
    tried = threading.Event()

    class Noticed(Backoff):
        def next_delay_s(self) -> float:
            tried.set()
            return 0.01

    enroller = Enroller(load(settings), Noticed())
    thread = threading.Thread(target=enroller.enrol, args=(never(),), name="enrol")
    thread.start()
    assert tried.wait(60)
    with desk.open():
        thread.join(60)
    assert not thread.is_alive()
    check_enrolled(desk, tmp_path / "device")


def test_two_at_once_do_not_make_two_keys(desk: Counter, tmp_path: Path) -> None:
    settings = desk.seed(tmp_path / "device", DOOR)
    waits, stop = threading.Event(), threading.Event()

    class Noticed(Backoff):
        def next_delay_s(self) -> float:
            waits.set()
            return 60.0

    first = threading.Thread(target=Enroller(load(settings), Noticed()).enrol, args=(stop,), name="first")
    first.start()
    try:
        assert waits.wait(60)
        with pytest.raises(IdentityError, match="another enrolment or renewal is under way"):
            Enroller(load(settings)).enrol(never())
    finally:
        stop.set()
        first.join(60)


def test_it_can_be_stopped_while_it_waits(desk: Counter, tmp_path: Path) -> None:
    stop = threading.Event()

    class Stopping(Backoff):
        def next_delay_s(self) -> float:
            stop.set()
            return 60.0

    assert Enroller(load(desk.seed(tmp_path / "device", DOOR)), Stopping()).enrol(stop) is None


def test_a_copy_of_the_card_is_refused_and_the_cloud_told(desk: Counter, tmp_path: Path) -> None:
    settings = desk.seed(tmp_path / "device", DOOR)
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "device", copy)
    with desk.open():
        enrol(settings)
        result = CliRunner().invoke(app, ["edge", "enrol", "--config", str(copy / "enrolment.toml")])
    assert isinstance(result.exception, RefusedError)
    assert RefusedError in mistakes(), "exit 2: the unit does not try it again"
    assert not (copy / "identity/device.pem").exists()
    with desk.store.read() as session:
        (alarm,) = alarms.alarms_of(session)
    assert (alarm.device, alarm.kind) == ("acme/north/edge-1", alarms.CLAIM_OF_TWO)
    listed = CliRunner().invoke(app, ["cloud", "devices", "--config", str(desk.settings)])
    assert "used by another key" in " ".join(listed.output.split())
    settled = CliRunner().invoke(app, ["cloud", "settle", "edge-1", "--config", str(desk.settings)])
    assert settled.exit_code == 0
    with desk.store.read() as session:
        assert alarms.alarms_of(session) == []


def test_a_cloud_of_another_authority_gets_no_claim(desk: Counter, tmp_path: Path) -> None:
    settings = desk.seed(tmp_path / "device", DOOR)
    (tmp_path / "device/ca.pem").write_bytes(Pki(tmp_path / "foreign").ca.read_bytes())
    stop = threading.Event()

    class Stopping(Backoff):
        def next_delay_s(self) -> float:
            stop.set()
            return 0.0

    with desk.open(), structlog.testing.capture_logs() as logs:
        assert Enroller(load(settings), Stopping()).enrol(stop) is None
    assert any("certificate of the cloud is refused" in str(line.get("reason")) for line in logs)
    assert (tmp_path / "device/claim").exists()
    with desk.store.read() as session:
        assert register.enrolments_of(session) == []


def test_a_clock_that_is_before_the_authority_does_not_keep_the_device_out(
    desk: Counter, tmp_path: Path
) -> None:
    settings = desk.seed(tmp_path / "device", DOOR)
    long_ago = datetime(1970, 1, 2, tzinfo=timezone.utc)
    with desk.open():
        outcome = Enroller(load(settings), IMPATIENT, lambda: long_ago).enrol(never())
        assert outcome is not None
        assert outcome.is_new
        renewed = Enroller(load(settings), IMPATIENT, lambda: long_ago).renew(never())
    assert renewed is not None
    assert not renewed.is_new, "the cloud, which has a clock, finds that it is not time yet"


def test_a_certificate_is_renewed_when_it_is_time(desk: Counter, tmp_path: Path) -> None:
    settings = desk.seed(tmp_path / "device", DOOR)
    path = tmp_path / "device/identity/device.pem"
    with desk.open():
        enrol(settings)
        first = path.read_bytes()
        result = CliRunner().invoke(app, ["edge", "renew", "--config", str(settings)])
        assert (result.exit_code, path.read_bytes()) == (0, first)
        with desk.store.write() as session:  # as if it were old: neither side has one that will do
            session.execute(delete(CertificateRow))
        result = CliRunner().invoke(app, ["edge", "renew", "--now", "--config", str(settings)])
        assert "new, valid until" in result.output
    assert certificate_of(path.read_bytes()).serial_number != certificate_of(first).serial_number
    check_enrolled(desk, tmp_path / "device")


def test_it_is_time_at_two_thirds(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    found = certificate_of(pki.device(DOOR).certificate.read_bytes())
    begins, ends = found.not_valid_before_utc, found.not_valid_after_utc
    due = begins + (ends - begins) * 2 / 3
    second = timedelta(seconds=1)
    times = (begins - second, begins, due - second, due, ends + second)
    assert [is_due(found, time) for time in times] == [True, False, False, True, True]


def test_a_certificate_that_is_over_is_renewed_and_does_not_outdo_a_new_claim(
    desk: Counter, tmp_path: Path
) -> None:
    settings = desk.seed(tmp_path / "device", DOOR)
    path = tmp_path / "device/identity/device.pem"
    with desk.open():
        enrol(settings)
        key = load_pem_private_key((tmp_path / "device/identity/device.key").read_bytes(), None)
        over = device_certificate(desk.pki.authority, key.public_key(), DOOR, EXPIRED)  # type: ignore[arg-type]
        path.write_bytes(over)
        outcome = Enroller(load(settings), IMPATIENT).renew(never())
        assert outcome is not None
        assert outcome.until > datetime.now(timezone.utc)
        path.write_bytes(over)
        desk.seed(tmp_path / "device", DOOR)
        enrol(settings)
    assert path.read_bytes() != over
    check_enrolled(desk, tmp_path / "device")


def test_a_revoked_device_is_refused_and_stops_asking(desk: Counter, tmp_path: Path) -> None:
    settings = desk.seed(tmp_path / "device", DOOR)
    with desk.open():
        enrol(settings)
        with desk.store.write() as session:
            register.revoke(session, "edge-1", 1)
        with pytest.raises(RefusedError, match="revoked"):
            Enroller(load(settings), IMPATIENT).renew(never(), at_once=True)


def test_who_has_not_enrolled_cannot_renew(desk: Counter, tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="not enrolled yet"):
        Enroller(load(desk.seed(tmp_path / "device", DOOR))).renew(never())


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("https://localhost", "http://cloud.example", "plain HTTP"),
        ("/enrol", "/other", "is not https://HOST"),
        ("acme/north/edge-1", "edge-1", "TENANT/SITE/DEVICE"),
        ("acme/north/edge-1", "acme/north/Edge", "enrolment.name"),
        ("claim =", "clam =", "clam"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    desk: Counter, tmp_path: Path, old: str, new: str, reason: str
) -> None:
    settings = desk.seed(tmp_path / "device", DOOR)
    settings.write_text(settings.read_text().replace(old, new))
    with pytest.raises(EnrolmentConfigError, match=reason):
        load(settings)


def test_a_claim_that_others_may_read_is_not_used(desk: Counter, tmp_path: Path) -> None:
    settings = desk.seed(tmp_path / "device", DOOR)
    (tmp_path / "device/claim").chmod(0o644)
    with pytest.raises(EnrolmentConfigError, match="others may read it"):
        Enroller(load(settings)).enrol(never())
