"""The pruner as a thread: beside ingest, when the clock jumps, when the store fails. On both databases."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import select

from cloud.clock import steady_ms
from cloud.message import Message, Outcome
from cloud.retention import pruner as pruners
from cloud.retention.keeps import Keeps
from cloud.retention.pruner import Pruner
from cloud.retention.tally import Tallies
from cloud.retention.walk import Progress
from cloud.schema import AlertHitRow, AlertRow, CameraRow, PacketRow, SegmentRow
from cloud.store import StoreError
from tests.bundles import CAPTIONS
from tests.cloud.retention.archive import DAY_MS, Archive, limits_of
from tests.cloud.studio import CAMERA_ID
from tests.cloud.waiting import until

YEAR_MS = 365 * DAY_MS


@pytest.fixture(autouse=True)
def _quick_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruners, "ROUND_S", 0.01)


class Counted(Pruner):
    """Counts its rounds, and calls `before` in each."""

    rounds = 0
    before: Callable[[int], None] = staticmethod(lambda _round: None)

    def prune(
        self,
        now_ms: int,
        *,
        aged: bool = True,
        sweeps: bool = True,
        clips: bool = True,
        progress: Progress | None = None,
    ) -> Tallies:
        self.rounds += 1
        self.before(self.rounds)
        return super().prune(now_ms, aged=aged, sweeps=sweeps, clips=clips, progress=progress)


def run_until(pruner: Pruner, is_over: Callable[[], bool]) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=pruner.run, args=(stop,), name="retention")
    thread.start()
    try:
        until(is_over)
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def test_it_works_in_rounds_and_stops_when_it_is_told_to(archive: Archive) -> None:
    archive.record(2)
    archive.now_ms += DAY_MS
    pruner = archive.pruner(packets_days=0.5)
    run_until(pruner, lambda: archive.sequences() == [3, 4, 5])


def test_a_clock_that_is_set_forth_removes_nothing(archive: Archive) -> None:
    archive.record(2)
    limits = limits_of(packets_days=30, packets_bytes_per_camera=archive.counted()[1])
    pruner = Counted(archive.store, archive.objects, limits, lambda: archive.now_ms)

    def set_forth(rounds: int) -> None:
        if rounds == 2:
            archive.now_ms += YEAR_MS

    pruner.before = set_forth
    run_until(pruner, lambda: pruner.rounds >= 5)
    assert archive.sequences() == list(range(6))


def test_what_is_too_much_goes_whatever_the_clock_says(archive: Archive) -> None:
    archive.record(3)
    pruner = archive.pruner(packets_bytes_per_camera=archive.counted()[1] - 1)
    archive.now_ms += YEAR_MS
    run_until(pruner, lambda: archive.sequences() == list(range(3, 9)))


def test_a_store_that_fails_is_tried_again(archive: Archive) -> None:
    archive.record(2)
    archive.now_ms += DAY_MS

    def fail(rounds: int) -> None:
        if rounds < 3:
            raise StoreError("store: the disk is full")

    pruner = Counted(archive.store, archive.objects, limits_of(packets_days=0.5), lambda: archive.now_ms)
    pruner.before = fail
    run_until(pruner, lambda: archive.sequences() == [3, 4, 5])
    assert pruner.rounds >= 3


def test_what_had_to_stay_is_looked_at_again_after_a_while(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.record(3)
    keeps = Keeps(archive.store)
    kept = keeps.add(CAMERA_ID, 0, 2**52)
    archive.now_ms += DAY_MS
    limits = limits_of(packets_days=0.5, packets_bytes_per_camera=1)
    pruner = Counted(archive.store, archive.objects, limits, lambda: archive.now_ms)
    run_until(pruner, lambda: pruner.rounds >= 2)
    keeps.remove(kept.id)
    before = pruner.rounds
    run_until(pruner, lambda: pruner.rounds >= before + 2)
    assert archive.sequences() == list(range(9)), "it knows that all of it had to stay"
    monkeypatch.setattr(pruners, "steady_ms", lambda: steady_ms() + pruners.LOOK_AGAIN_MS)
    run_until(pruner, lambda: archive.sequences() == [6, 7, 8])


def test_what_alerts_found_goes_with_its_packet(archive: Archive) -> None:
    archive.record(2)
    with archive.store.write() as session:
        session.add(AlertRow(name="red cars", query="red car", created_ms=0, changed_ms=0))
        session.flush()
        camera_id = session.scalars(select(CameraRow.id).where(CameraRow.name == "gate")).one()
        for sequence in (0, 3):
            hit = AlertHitRow(
                alert_id=1, packet_id=archive.packet_id(sequence), camera_id=camera_id, caption="red car",
                historical=False, start_ms=0, raised_ms=0,
            )  # fmt: skip
            session.add(hit)
    archive.now_ms += DAY_MS
    archive.prune(packets_days=0.5)
    with archive.store.read() as session:
        assert session.scalars(select(AlertHitRow.packet_id)).all() == [archive.packet_id(3)]


def test_ingest_goes_on_beside_it_and_nothing_is_lost_or_stored_twice(archive: Archive) -> None:
    """New packets come, and old ones are replayed, while those and others go."""
    old = archive.record(20)
    archive.now_ms += DAY_MS
    outcomes = list[Outcome]()
    topic = archive.device.topics.sem("gate")
    troubles = list[str]()

    def prune() -> None:
        try:
            for _ in range(3):
                archive.prune(packets_days=0.5)
        except StoreError as error:
            troubles.append(str(error))

    thread = threading.Thread(target=prune, name="retention")
    thread.start()
    fresh = [archive.device.packet(CAPTIONS[0], refresh=number % 3 == 0) for number in range(30)]
    for number, packet in enumerate(fresh):
        for each in (packet, old[2 * number]):
            message = Message(topic, archive.device.frame(each), archive.now_ms)
            outcomes += [receipt.outcome for receipt in archive.desk.inbox.accept([message])]
        archive.desk.derivation.work()
    thread.join(60)
    archive.desk.derive()
    archive.prune(packets_days=0.5)
    assert troubles == []
    assert outcomes == [Outcome.STORED, Outcome.DUPLICATE] * 30
    assert archive.sequences() == [packet.sequence for packet in fresh]
    assert archive.desk.faults() == []
    assert archive.counted() == archive.measured()
    with archive.store.read() as session:
        assert session.query(SegmentRow).count() == session.query(PacketRow).count() == 30


def test_several_processes_may_do_so_at_once(archive: Archive) -> None:
    archive.record(6)
    archive.now_ms += DAY_MS
    troubles = list[str]()

    def prune() -> None:
        try:
            archive.prune(packets_days=0.5, packets_bytes_per_camera=1)
        except StoreError as error:
            troubles.append(str(error))

    threads = [threading.Thread(target=prune, name="retention") for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert troubles == []
    assert archive.sequences() == [15, 16, 17]
    assert archive.counted() == archive.measured()
