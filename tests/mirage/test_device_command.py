"""`mirage cloud command`, as a person types it: an answer, a refusal, or why there is none."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from cloud.commands import CommandError, answer
from cloud.schema import CommandRow, DeviceRow
from cloud.store import Store
from mirage.device_command import UnansweredError, command
from mirage.errors import InputError
from tests.cloud.waiting import until
from wire.documents import Reply

DEVICE = "acme/north/edge-1"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "cloud.toml"
    path.write_text('[broker]\nhost = "127.0.0.1"\n[bundle]\npaths = ["none"]\n')
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path}/store.db")
    with opened.write() as session:
        session.add(DeviceRow(tenant="acme", site="north", name="edge-1", seen_ms=0))
    yield opened
    opened.close()


def asked(store: Store) -> CommandRow | None:
    with store.read() as session:
        return session.scalars(select(CommandRow)).first()


def answering(store: Store, *, ok: bool, detail: str = "") -> threading.Thread:
    """Answer as a device and its ingest do."""

    def reply() -> None:
        until(lambda: asked(store) is not None)
        with store.write() as session:
            session.execute(update(CommandRow).values(state="sent"))
            row = session.scalars(select(CommandRow)).one()
            assert answer(session, row.device_id, Reply(row.id, ok, detail, {"uptime_s": 3}))

    thread = threading.Thread(target=reply, name="device")
    thread.start()
    return thread


def test_the_answer_is_printed(config: Path, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    thread = answering(store, ok=True)
    command(config, DEVICE, "set-policy", ["planes=8", "style=at dusk", "name=007a", "on=true"], 20)
    thread.join()
    printed = json.loads(capsys.readouterr().out)
    assert (printed["ok"], printed["result"]) == (True, {"uptime_s": 3})
    row = asked(store)
    assert row is not None
    assert json.loads(row.arguments) == {"planes": 8, "style": "at dusk", "name": "007a", "on": True}


def test_a_refusal_says_why(config: Path, store: Store) -> None:
    thread = answering(store, ok=False, detail="no such plane")
    with pytest.raises(UnansweredError, match="refuses ping: no such plane"):
        command(config, DEVICE, "ping", [], 20)
    thread.join()


@pytest.mark.usefixtures("store")
def test_no_answer_says_how_far_it_came(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirage.device_command.GRACE_MS", 0)
    with pytest.raises(UnansweredError, match="no ingest took it"):
        command(config, DEVICE, "ping", [], 0.1)


@pytest.mark.usefixtures("store")
def test_what_cannot_be_asked_is_said_at_once(config: Path) -> None:
    with pytest.raises(CommandError, match="reboot"):
        command(config, DEVICE, "reboot", [], 1)
    with pytest.raises(CommandError, match="nobody"):
        command(config, "acme/north/nobody", "ping", [], 1)
    with pytest.raises(InputError, match="expected KEY=VALUE"):
        command(config, DEVICE, "ping", ["planes"], 1)
