"""The ledger: what it adds up, what it tells once, and what survives."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge.ledger import Ledger, spent
from wire.spent import OTHERS, Spent

CAPTION = ("door", "caption", "payload")
BIRTH = (None, "birth", "payload")
FRAMES = (None, "packet", "mqtt")


def always(_camera: str) -> bool:
    return True


def filled(path: Path | None = None) -> Ledger:
    ledger = Ledger(path)
    ledger.add(*CAPTION, 100)
    ledger.add(*CAPTION, 20)
    ledger.add(*BIRTH, 500)
    return ledger


def test_bytes_add_up_by_camera_layer_and_kind() -> None:
    assert filled().totals() == {CAPTION: 120, BIRTH: 500}


def test_each_byte_is_told_in_one_minute() -> None:
    ledger = filled()
    assert ledger.minute(always) == {CAPTION: 120, BIRTH: 500}
    assert ledger.minute(always) == {}
    ledger.add(*FRAMES, 7)
    assert ledger.minute(always) == {FRAMES: 7}
    assert ledger.told() == ledger.totals()


def test_what_has_no_place_yet_is_told_later_and_not_forgotten() -> None:
    ledger = filled()
    assert ledger.minute(lambda camera: camera != "door") == {BIRTH: 500}
    assert ledger.told() == {BIRTH: 500}
    ledger.add(*CAPTION, 5)
    assert ledger.minute(always) == {CAPTION: 125}


def test_totals_go_on_after_a_restart_and_minutes_begin_anew(tmp_path: Path) -> None:
    ledger = filled(tmp_path / "spool.db.ledger")
    ledger.minute(always)
    ledger.add(*CAPTION, 3)
    ledger.close()
    again = Ledger(tmp_path / "spool.db.ledger")
    again.add(*CAPTION, 1)
    assert again.totals() == {CAPTION: 124, BIRTH: 500}
    assert again.run_totals() == {"payload": 1, "mqtt": 0, "transport": 0, "resent": 0}
    assert again.minute(always) == {CAPTION: 1}
    assert again.told() == {CAPTION: 124, BIRTH: 500}  # with the 3 that no minute had


def test_a_minute_is_kept_before_it_is_told(tmp_path: Path) -> None:
    filled(tmp_path / "ledger").minute(always)  # and then the power fails
    assert Ledger(tmp_path / "ledger").totals() == {CAPTION: 120, BIRTH: 500}


@pytest.mark.parametrize("damage", [b"", b"{", b"[[1]]", b'[["door", "caption", "payload", "x"]]', b"\xff"])
def test_a_damaged_ledger_begins_anew(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "ledger").write_bytes(damage)
    with capture_logs() as logs:
        assert Ledger(tmp_path / "ledger").totals() == {}
    assert [line["event"] for line in logs] == ["ledger cannot be read, begins anew"]


def test_entries_that_are_none_of_a_ledger_are_left_out(tmp_path: Path) -> None:
    entries = b'[["door","caption","payload",-5],["door","nonsense","payload",5],[null,"birth","payload",4]]'
    (tmp_path / "ledger").write_bytes(entries)
    assert Ledger(tmp_path / "ledger").totals() == {BIRTH: 4}


def test_a_ledger_that_cannot_be_kept_says_so_and_counts_on(tmp_path: Path) -> None:
    ledger = filled(tmp_path / "gone" / "ledger")
    with capture_logs() as logs:
        ledger.minute(always)
    assert [line["event"] for line in logs] == ["ledger is not kept"]
    assert ledger.totals() == {CAPTION: 120, BIRTH: 500}


def test_cameras_are_told_by_their_place() -> None:
    sizes = {CAPTION: 5, ("old", "caption", "payload"): 7, ("older", "header", "payload"): 2, BIRTH: 9,
             ("soon", "caption", "payload"): 1}  # fmt: skip
    places = {"door": 1, "soon": None}
    rows = spent(sizes, lambda camera: places.get(camera, OTHERS))
    assert rows == (
        Spent(None, (0, 0, 0, 9, 0, 0)),
        Spent(1, (0, 5) + (0,) * 10),
        Spent(OTHERS, (2, 7) + (0,) * 10),
    )
