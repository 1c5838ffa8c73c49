"""A device whose TPM is known enrols by it: nothing secret was ever on its card, and no other board can."""

import os
import shutil
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

pytest.importorskip("sqlalchemy", reason="the cloud's half, which certifies, is not installed")

from sqlalchemy import delete

from cloud import enrolment as register
from cloud.certificate import identity_of
from cloud.clock import wall_ms
from cloud.identity import alarms, claims
from cloud.schema import ClaimRow, EnrolmentRow
from edge import tpm
from edge.backoff import Backoff
from edge.enrolment import Enroller
from edge.enrolment_client import RefusedError
from edge.enrolment_config import EnrolmentConfigError, load
from edge.tpm import TpmError
from mirage.cli import app
from mirage.errors import mistakes
from tests.office import HOUR_MS, Counter, counter
from tests.tpms import software_tpm
from wire.topics import DeviceTopics

DOOR = DeviceTopics("acme", "north", "edge-1")
IMPATIENT = Backoff(0.0, 0.0)


@dataclass(frozen=True)
class Board:
    """A TPM, and what it is called."""

    tcti: str
    name: str


@pytest.fixture(scope="module")
def board() -> Iterator[Board]:
    with software_tpm() as tcti, tpm.opened(tcti) as chip:
        yield Board(tcti, tpm.fingerprint(chip.ek))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Counter]:
    with counter(tmp_path / "cloud") as made:
        yield made


def know(desk: Counter, name: str) -> None:
    now_ms = wall_ms()
    with desk.store.write() as session:
        claims.create_for_tpm(session, DOOR, ["door"], bytes.fromhex(name), now_ms, now_ms + HOUR_MS)


def seed(desk: Counter, folder: Path, tcti: str) -> Path:
    """Write what a seed brings onto a device with a TPM: no claim."""
    file = desk.seed(folder, DOOR, claim="none")
    (folder / "claim").unlink()
    file.write_text(file.read_text().replace('claim = "claim"', f'tpm = "{tcti}"'))
    return file


def enrol(settings: Path) -> None:
    outcome = Enroller(load(settings), IMPATIENT).enrol(threading.Event())
    assert outcome is not None


def check_enrolled(desk: Counter, device: Path) -> None:
    assert sorted(each.name for each in device.iterdir()) == ["ca.pem", "enrolment.toml", "identity"]
    certified = identity_of((device / "identity/device.pem").read_bytes())
    assert certified.device == DOOR
    with desk.store.read() as session:
        (enrolled,) = register.enrolments_of(session)
        assert alarms.alarms_of(session) == []
    assert enrolled.public_key == certified.public_key


def test_a_device_enrols_by_its_tpm_without_a_claim(desk: Counter, tmp_path: Path, board: Board) -> None:
    settings = seed(desk, tmp_path / "device", board.tcti)
    said = CliRunner().invoke(app, ["edge", "tpm", "--tcti", board.tcti])
    assert said.output == f'tpm = "{board.name}"\n'
    know(desk, board.name)
    with desk.open():
        result = CliRunner().invoke(app, ["edge", "enrol", "--config", str(settings)])
    assert result.exit_code == 0, result.output
    assert "device.pem: new, valid until" in result.output
    check_enrolled(desk, tmp_path / "device")
    again = CliRunner().invoke(app, ["edge", "enrol", "--config", str(settings)])  # nobody is there to ask
    assert "is there" in again.output


def test_a_tpm_without_p256_enrols_by_rsa(
    desk: Counter, tmp_path: Path, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "tpm2_getcap").write_text("#!/bin/sh\necho 'TPM2_ECC_NIST_P384: 0x4'\n")
    (tools / "tpm2_getcap").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    with tpm.opened(board.tcti) as chip:
        name = tpm.fingerprint(chip.ek)
    assert name != board.name
    know(desk, name)
    with desk.open():
        enrol(seed(desk, tmp_path / "device", board.tcti))
    check_enrolled(desk, tmp_path / "device")


def test_a_card_that_was_copied_before_it_enrolled_is_of_no_use(
    desk: Counter, tmp_path: Path, board: Board
) -> None:
    know(desk, board.name)
    with software_tpm() as foreign, desk.open():
        thief = seed(desk, tmp_path / "copy", foreign)
        result = CliRunner().invoke(app, ["edge", "enrol", "--config", str(thief)])
        assert isinstance(result.exception, RefusedError)
        assert "is not known by this TPM" in str(result.exception)
        assert RefusedError in mistakes(), "exit 2: the unit does not try it again"
        enrol(seed(desk, tmp_path / "device", board.tcti))
    check_enrolled(desk, tmp_path / "device")


def test_who_shows_the_key_of_another_tpm_cannot_read_the_ticket(
    desk: Counter, tmp_path: Path, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(desk, board.name)
    with tpm.opened(board.tcti) as chip:
        known, honest = chip.ek, tpm.Tpm.__init__

    def lies(chip: tpm.Tpm, tcti: str, folder: Path) -> None:
        honest(chip, tcti, folder)
        chip.ek = known

    monkeypatch.setattr(tpm.Tpm, "__init__", lies)
    with software_tpm() as foreign, desk.open():
        check_unread(seed(desk, tmp_path / "copy", foreign))
    with desk.store.read() as session:
        assert register.enrolments_of(session) == []
        assert alarms.alarms_of(session) == []


def test_a_ticket_for_another_attestation_key_is_not_read(
    desk: Counter, tmp_path: Path, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(desk, board.name)
    honest = tpm.Tpm.attestation

    def lies(chip: tpm.Tpm) -> bytes:
        shown = honest(chip)
        honest(chip)  # another one is loaded
        return shown

    monkeypatch.setattr(tpm.Tpm, "attestation", lies)
    with desk.open():
        check_unread(seed(desk, tmp_path / "device", board.tcti))


def check_unread(settings: Path) -> None:
    stop = threading.Event()

    class Stopping(Backoff):
        def next_delay_s(self) -> float:
            stop.set()
            return 0.0

    with structlog.testing.capture_logs() as logs:
        assert Enroller(load(settings), Stopping()).enrol(stop) is None
    assert any("tpm2_activatecredential" in str(line.get("reason")) for line in logs), logs


def test_a_copy_of_the_key_in_the_tpm_is_no_second_enrolment(
    desk: Counter, tmp_path: Path, board: Board
) -> None:
    know(desk, board.name)
    with desk.open():
        enrol(seed(desk, tmp_path / "first", board.tcti))
        with pytest.raises(RefusedError, match="used by another key"):
            enrol(seed(desk, tmp_path / "second", board.tcti))
        with desk.store.read() as session:
            assert [each.kind for each in alarms.alarms_of(session)] == [alarms.CLAIM_OF_TWO]
            alarm = alarms.alarms_of(session)[0].device
        with desk.store.write() as session:
            alarms.settle(session, "edge-1")
        know(desk, board.name)  # a person allows it: the disk was replaced
        enrol(tmp_path / "second/enrolment.toml")
    assert alarm == "acme/north/edge-1"
    check_enrolled(desk, tmp_path / "second")


class CutError(BaseException):
    """The power is gone."""


class Power:
    """Goes off at the n-th of the steps, before or after it was done: tools of the TPM, questions, files."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
        self._left = after
        for owner, name in [
            (tpm.Tpm, "attestation"),
            (tpm.Tpm, "activate"),
            (Path, "replace"),
            (urllib.request.OpenerDirector, "open"),
        ]:
            honest = getattr(owner, name)
            monkeypatch.setattr(
                owner, name, lambda *args, call=honest, **named: self._spent(call, args, named)
            )

    def _spent(self, call: object, arguments: tuple[object, ...], named: dict[str, object]) -> object:
        self._spend()
        result = call(*arguments, **named)  # type: ignore[operator]
        if self._left == 0 and hasattr(result, "close"):
            result.close()
        self._spend()
        return result

    def _spend(self) -> None:
        if self._left == 0:
            raise CutError
        self._left -= 1


def test_wherever_it_is_cut_off_the_next_run_ends_well(desk: Counter, tmp_path: Path, board: Board) -> None:
    cuts = 0
    with desk.open():
        for after in range(50):
            device = tmp_path / f"device-{after}"
            with desk.store.write() as session:
                session.execute(delete(EnrolmentRow))
                session.execute(delete(ClaimRow))
            know(desk, board.name)
            settings = seed(desk, device, board.tcti)
            with pytest.MonkeyPatch.context() as patch:
                Power(patch, after)
                try:
                    enrol(settings)
                    break
                except CutError:
                    cuts += 1
            enrol(settings)
            check_enrolled(desk, device)
    assert cuts == 12, "key, two questions, two keys of the TPM, certificate: each before and after"


def test_it_waits_for_a_tpm_that_is_not_there_and_says_what_is_missing(
    desk: Counter, tmp_path: Path, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(desk, board.name)
    settings = seed(desk, tmp_path / "device", board.tcti)
    path, tries = os.environ["PATH"], []

    class Later(Backoff):
        def next_delay_s(self) -> float:
            tries.append(1)
            monkeypatch.setenv("PATH", path)
            return 0.0

    monkeypatch.setenv("PATH", str(tmp_path))
    with structlog.testing.capture_logs() as logs, desk.open():
        assert Enroller(load(settings), Later()).enrol(threading.Event()) is not None
    assert len(tries) == 1
    assert any("apt-get install tpm2-tools" in str(line.get("reason")) for line in logs)
    check_enrolled(desk, tmp_path / "device")
    assert shutil.which("tpm2_getcap") is not None


def test_the_tool_says_where_it_looked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, board: Board) -> None:
    result = CliRunner().invoke(app, ["edge", "tpm", "--tcti", "device:/nowhere"])
    assert isinstance(result.exception, TpmError)
    assert "device:/nowhere" in str(result.exception)
    assert board.tcti
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TpmError, match="apt-get install tpm2-tools"), tpm.opened(board.tcti):
        pass


@pytest.mark.parametrize("lines", ["", 'claim = "claim"\ntpm = "device:/dev/tpmrm0"\n'])
def test_a_device_has_a_claim_or_a_tpm(tmp_path: Path, lines: str) -> None:
    file = tmp_path / "enrolment.toml"
    file.write_text(
        '[enrolment]\nurl = "https://c:8444/api/v1/enrol"\nname = "a/b/c"\nca = "ca.pem"\nidentity = "i"\n'
        + lines
    )
    with pytest.raises(EnrolmentConfigError, match="one of them is needed, and not both"):
        load(file)
