"""What devices make up is told within bounds, under ids that follow from what is told."""

import pytest
from sqlalchemy import select

from cloud.config_events import Events
from cloud.events.herald import Herald, News
from cloud.schema import OutboxRow
from cloud.store import Store
from tests.cloud.alerts.lookout import Lookout
from tests.cloud.desk import NOW_MS
from wire import events
from wire.bundle import Bundle
from wire.events import MAX_EVENT, SegmentDescribed

ON = Events(enabled=True)


def news(**more: object) -> News:
    plain = News(
        1, 1, 1, 0, NOW_MS, historical=False, start_ms=NOW_MS, duration_ms=1, still=False, caption="x"
    )
    return plain._replace(**more)  # type: ignore[arg-type]


def told(store: Store, *of: News) -> list[SegmentDescribed]:
    with store.write() as session:
        Herald(ON).described(session, of, NOW_MS)
    with store.read() as session:
        written = session.scalars(select(OutboxRow.event).order_by(OutboxRow.id)).all()
    decoded = [events.decode(each) for each in written]
    return [event for event in decoded if isinstance(event, SegmentDescribed)]


@pytest.fixture
def lookout(store: Store, bundle: Bundle) -> Lookout:
    """Have a camera and a boot, numbered 1."""
    made = Lookout(store, bundle, Events())
    made.say("a man walks")
    return made


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"start_ms": 2**62}, id="far future"),
        pytest.param({"start_ms": -1}, id="before time"),
        pytest.param({"duration_ms": 2**62}, id="endless"),
        pytest.param({"caption": "\U0001f697" * 3000}, id="long"),
        pytest.param({"caption": "\x01" * 3000}, id="long when written"),
        pytest.param({"sequence": 2**63 - 1}, id="last sequence"),
    ],
)
def test_whatever_a_device_says_becomes_an_event(lookout: Lookout, more: dict[str, object]) -> None:
    (event,) = told(lookout.store, news(**more))
    assert len(events.encode(event)) <= MAX_EVENT


def test_the_same_told_twice_is_the_same_event(lookout: Lookout) -> None:
    (event,) = told(lookout.store, news(), news())
    other = told(lookout.store, news(caption="y"))[-1]
    assert event.id != other.id
    assert event.source == other.source == "/mirage/v1/acme/north/jetson-1/gate"


def test_what_cannot_be_written_costs_nothing_else(lookout: Lookout) -> None:
    told_ = told(lookout.store, news(packet_id=-1), news(packet_id=2, sequence=2))
    assert [event.data.segment.id for event in told_] == [2]


def test_what_is_not_described_is_not_told(lookout: Lookout) -> None:
    assert told(lookout.store, news(caption=None)) == []
