"""What nobody could read is bounded by messages, by bytes and by days. On both databases."""

import pytest
from sqlalchemy import func, select

from cloud import quarantine as quarantines
from cloud.message import Message
from cloud.quarantine import MAX_KEPT, quarantine
from cloud.schema import QuarantineRow
from cloud.store import Store
from tests.cloud.desk import NOW_MS
from tests.cloud.retention.archive import DAY_MS, Archive


def put(store: Store, *sizes: int, at_ms: int = NOW_MS) -> None:
    with store.write() as session:
        for size in sizes:
            quarantine(session, Message("mirage/v1/a/b/c/d/sem", b"\0" * size, at_ms), "it is all zeros")


def held(store: Store) -> list[int]:
    with store.read() as session:
        lengths = select(func.length(QuarantineRow.frame)).order_by(QuarantineRow.id)
        return list(session.scalars(lengths))


def test_the_oldest_go_once_all_take_too_many_bytes(
    any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantines, "MAX_BYTES", 640_000)
    put(any_store, *[9_000] * 64)
    assert len(held(any_store)) == 64
    put(any_store, *[9_000] * 64)
    assert held(any_store) == [9_000] * 71


def test_of_what_is_far_larger_than_a_frame_the_beginning_is_kept(any_store: Store) -> None:
    put(any_store, 10, 10 * MAX_KEPT)
    assert held(any_store) == [10, MAX_KEPT]
    with any_store.read() as session:
        reason = session.scalars(select(QuarantineRow.reason).order_by(QuarantineRow.id.desc())).first()
    assert reason == "it is all zeros (kept are 131072 of 1310720 bytes)"


def test_retention_bounds_them_further(archive: Archive) -> None:
    put(archive.store, 10, 20, at_ms=NOW_MS)
    put(archive.store, 30, 40, 50, at_ms=NOW_MS + DAY_MS)
    archive.now_ms = NOW_MS + DAY_MS + 1
    assert archive.forecast(quarantine_days=1).messages == 2
    assert archive.prune(quarantine_days=1).message_bytes == 30
    assert held(archive.store) == [30, 40, 50]
    assert archive.prune(quarantine_bytes=95).messages == 1
    assert held(archive.store) == [40, 50]
