"""Events reach third parties at least once, whoever dies in between."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select, update

from cloud.config import Broker
from cloud.config_events import Events
from cloud.events import outbox, publisher
from cloud.events.outbox import Counts
from cloud.schema import DutyRow, OutboxRow
from cloud.store import Store, StoreError
from mirage.demo.broker import LoopbackBroker
from tests.cloud.events.listener import listening
from tests.cloud.events.post import CAMERA, NOW_MS, ON, Post, counts, entry, put, work
from tests.cloud.waiting import until
from tests.mosquitto import PLAIN, Mosquitto, mosquitto
from wire.events import CONTENT_TYPE

DEAF = f"""{PLAIN}acl_file {{folder}}/acl
"""


def made(store: Store, port: int, client: str = "cloud-1", settings: Events = ON) -> Post:
    return Post(store, Broker("127.0.0.1", port, client=client), settings)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path, PLAIN) as running:
        yield running


@pytest.fixture(params=["mosquitto", "embedded"])
def port(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    if request.param == "mosquitto":
        with mosquitto(tmp_path, PLAIN) as running:
            yield running.port
        return
    broker = LoopbackBroker(tmp_path)
    broker.start()
    try:
        yield broker.port
    finally:
        broker.stop()


def test_events_are_published_in_order_and_forgotten(any_store: Store, port: int) -> None:
    put(any_store, entry(0, historical=True), *(entry(number) for number in range(1, 300)))
    with listening(port) as third, closing(made(any_store, port)) as post:
        work(post, until_=lambda: counts(any_store).waiting == 0)
        until(lambda: len(third.heard) == 300)
    assert third.ids == [*(f"e-{number}" for number in range(1, 300)), "e-0"], "what is no news goes last"
    assert set(third.topics) == {f"mirage/v1/{CAMERA}/event"}
    assert set(third.kinds) == {f"{CONTENT_TYPE}; charset=utf-8"}
    assert counts(any_store) == Counts(0, 300, 0)


def test_what_the_broker_did_not_acknowledge_waits_for_it(any_store: Store, broker: Mosquitto) -> None:
    with listening(broker.port) as third, closing(made(any_store, broker.port)) as post:
        put(any_store, entry(1))
        work(post, until_=lambda: counts(any_store).published == 1)
        broker.kill()
        put(any_store, entry(2))
        work(post, until_=lambda: post.connection.trouble is not None)
        assert counts(any_store).waiting == 1
        third.ready.clear()
        broker.start()
        assert third.ready.wait(60)
        work(post, until_=lambda: counts(any_store).waiting == 0)
        until(lambda: third.ids == ["e-1", "e-2"])


def test_a_process_that_dies_before_it_notes_the_answer_has_it_published_again(
    any_store: Store, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(any_store, entry(1))
    with listening(broker.port) as third:
        with monkeypatch.context() as broken, closing(made(any_store, broker.port)) as dying:
            broken.setattr(outbox, "sent", power_cut)
            work(dying, until_=lambda: len(third.heard) == 1)
        with closing(made(any_store, broker.port)) as next_one:
            work(next_one, until_=lambda: counts(any_store).waiting == 0)
        until(lambda: third.ids == ["e-1", "e-1"])


def power_cut(*_args: object) -> None:
    raise StoreError("power cut")


def test_of_several_processes_one_publishes_and_another_goes_on(any_store: Store, broker: Mosquitto) -> None:
    with listening(broker.port) as third, closing(made(any_store, broker.port, "cloud-2")) as second:
        with closing(made(any_store, broker.port, "cloud-1")) as first:
            for number in range(5):
                put(any_store, *(entry(10 * number + each) for each in range(10)))
                work(first, second, until_=lambda: counts(any_store).waiting == 0)
            with any_store.read() as session:
                (duty,) = session.scalars(select(DutyRow))
        put(any_store, entry(50))
        with any_store.write() as session:  # the one that is left may have to wait for the other's lease
            session.execute(update(DutyRow).values(lease_ms=0))
        work(second, until_=lambda: counts(any_store).waiting == 0)
        until(lambda: len(third.heard) == 51)
    assert third.ids == [f"e-{number}" for number in range(51)], "each once, in order"
    assert duty.name == publisher.DUTY


def test_a_process_that_is_cut_off_keeps_nobody_else_from_publishing(store: Store, broker: Mosquitto) -> None:
    put(store, entry(1))
    nowhere = made(store, 1)
    work(nowhere, until_=lambda: nowhere.connection.trouble != "not connected yet")
    with store.read() as session:
        assert session.scalars(select(DutyRow)).all() == []
    nowhere.close()
    with closing(made(store, broker.port)) as able:
        work(able, until_=lambda: counts(store).waiting == 0)


def test_what_waits_for_too_long_is_dropped_and_counted(any_store: Store) -> None:
    put(any_store, entry(1), at_ms=NOW_MS - 7_200_000)
    put(any_store, *(entry(number) for number in range(2, 10)))
    settings = Events(enabled=True, keep_hours=1.0, keep_most=5)
    with closing(made(any_store, 1, settings=settings)) as post:
        work(post, until_=lambda: counts(any_store).dropped > 0)
    assert counts(any_store) == Counts(5, 0, 4)
    with any_store.read() as session:
        kept = session.scalars(select(OutboxRow.event_id).order_by(OutboxRow.id)).all()
    assert kept == [f"e-{number}" for number in range(5, 10)], "the oldest go"


def test_a_broker_that_refuses_is_named_and_asked_again(store: Store, tmp_path: Path) -> None:
    (tmp_path / "acl").write_text("topic read #\n")
    put(store, entry(1))
    with mosquitto(tmp_path, DEAF) as broker, closing(made(store, broker.port)) as post:
        work(post, until_=lambda: post.publisher.trouble is not None)
        assert post.publisher.trouble == "broker refuses events: Not authorized"
        assert counts(store).waiting == 1


def test_the_same_event_waits_once(any_store: Store) -> None:
    put(any_store, entry(1), entry(1))
    put(any_store, entry(1), entry(2))
    assert counts(any_store).waiting == 2
