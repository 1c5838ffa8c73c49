"""A clip that is made is told of, with the transaction that makes it visible."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import delete

from cloud import jobs
from cloud.bundles import Bundles
from cloud.config_events import Events
from cloud.events.herald import Herald
from cloud.lanes import Lane
from cloud.objects import Objects
from cloud.schema import ClipRow, JobRow, SegmentRow
from cloud.store import Store
from cloud.terms import Terms
from cloud.worker import Worker
from tests.cloud.alerts.lookout import Lookout
from tests.cloud.desk import NOW_MS
from tests.cloud.sample import MeanRenderer
from wire.bundle import Bundle
from wire.events import ClipRendered
from wire.policy import Policy

CLIPS = Events(enabled=True, kinds=("clip.rendered",), base_url="https://cameras.example/mirage")


class Press:
    """A lookout with a worker beside it."""

    def __init__(self, store: Store, bundle: Bundle, folder: Path, settings: Events = CLIPS) -> None:
        self.store = store
        self.lookout = Lookout(store, bundle, settings)
        self.worker = Worker(
            store, Objects(str(folder)), Bundles([bundle], lambda _bundle, _threads: MeanRenderer()),
            Terms.of(Policy(long_side_px=64)), lambda: NOW_MS + 60_000, announce=Herald(settings).rendered,
        )  # fmt: skip

    def ask(self, packet_id: int, lane: Lane = Lane.BACKFILL) -> None:
        with self.store.write() as session:
            jobs.enqueue(session, packet_id, NOW_MS, lane=lane)


@pytest.fixture
def press(any_store: Store, bundle: Bundle, tmp_path: Path) -> Press:
    return Press(any_store, bundle, tmp_path / "objects")


def test_a_clip_is_told_of_once_with_where_it_is(press: Press) -> None:
    press.lookout.say("a red car")
    press.ask(1)
    assert press.worker.work()
    (event,) = press.lookout.events()
    assert isinstance(event, ClipRendered)
    clip = event.data.clip
    assert (clip.url, clip.ai_reconstructed) == ("https://cameras.example/mirage/api/v1/clips/1.mp4", True)
    assert (clip.width, clip.frames, event.data.segment.caption) == (64, 25, "a red car")
    with press.store.read() as session:
        assert session.get_one(ClipRow, (1, "")).fingerprint == clip.fingerprint
    press.ask(1)
    assert press.worker.work(), "the same clip is found, not made"
    assert press.lookout.events() == [event]


def test_the_clip_of_an_alert_is_made_before_older_wishes(press: Press) -> None:
    press.lookout.add("car")
    press.lookout.say("a boat", "a dog", "a red car")
    press.ask(1)
    press.ask(2)
    assert press.worker.work()
    assert [event.data.segment.caption for event in press.lookout.events()] == ["a red car"]


def test_who_lost_the_lease_tells_nothing(press: Press, monkeypatch: pytest.MonkeyPatch) -> None:
    press.lookout.say("a red car")
    press.ask(1)
    put_all = Objects.put_all

    def steal(objects: Objects, sources: Mapping[str, Path | bytes]) -> None:
        put_all(objects, sources)
        with press.store.write() as session:
            session.get_one(JobRow, (1, "")).fence += 1

    monkeypatch.setattr(Objects, "put_all", steal)
    press.worker.work()
    assert press.lookout.events() == []


def test_a_clip_of_a_segment_that_is_gone_is_no_event(press: Press) -> None:
    press.lookout.say("a red car")
    press.ask(1)
    with press.store.write() as session:
        session.execute(delete(SegmentRow))
    assert press.worker.work()
    assert press.lookout.events() == []


def test_where_clips_are_not_told_of_none_is(store: Store, bundle: Bundle, tmp_path: Path) -> None:
    press = Press(store, bundle, tmp_path / "objects", Events(enabled=True, kinds=("alert.raised",)))
    press.lookout.say("a red car")
    press.ask(1)
    assert press.worker.work()
    assert press.lookout.events() == []
