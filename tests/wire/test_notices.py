"""Events of traffic: read as they were written, under topics in which a dash stands for all."""

import json
from datetime import datetime

import pytest

from wire import events, notices, topics
from wire.events import BudgetReached, EventError, Notice, UsageUnusual, time_text
from wire.notices import BudgetFacts, UnusualFacts

NOW_MS = 1_795_000_000_120
REACHED = BudgetReached(
    id="a1", source="/mirage/v1/acme/north", time=time_text(NOW_MS),
    data=BudgetFacts("acme/north", 70, 71, 100, 5, 9),
)  # fmt: skip
UNUSUAL = UsageUnusual(
    id="b2", source="/mirage/v1/acme/north/edge-1", time=time_text(NOW_MS),
    data=UnusualFacts("acme/north/edge-1", 3_600_000, 900, 100, 300),
)  # fmt: skip


@pytest.mark.parametrize("notice", [REACHED, UNUSUAL], ids=lambda notice: type(notice).__name__)
def test_a_notice_is_an_event_and_is_read_as_it_was_written(notice: Notice) -> None:
    assert events.decode(events.encode(notice)) == notice


def test_a_notice_is_a_cloud_event() -> None:
    document = json.loads(events.encode(REACHED))
    assert (document["specversion"], document["type"]) == ("1.0", "mirage.budget.reached")
    told = datetime.strptime(document["time"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert told.timestamp() * 1000 == NOW_MS
    assert document["data"] == {
        "place": "acme/north", "percent": 70, "used": 71, "budget": 100, "from_ms": 5, "to_ms": 9,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("place", "a/b/c/d"),
        ("percent", 0),
        ("percent", 101),
        ("used", -1),
        ("budget", 2**53),
        ("to_ms", None),
    ],
)
def test_facts_that_cannot_be_are_refused(field: str, value: object) -> None:
    document = json.loads(events.encode(REACHED))
    document["data"][field] = value
    with pytest.raises(EventError, match=field):
        events.decode(json.dumps(document).encode())


@pytest.mark.parametrize("place", ["a/b/c/d", "A", "a//b", "a/"])
def test_a_place_that_cannot_be_is_not_told(place: str) -> None:
    facts = BudgetFacts(place, 70, 71, 100, 5, 9)
    with pytest.raises(EventError):
        events.encode(BudgetReached(id="a", source="/", time=time_text(NOW_MS), data=facts))


@pytest.mark.parametrize(
    ("place", "topic"),
    [
        ("acme", "mirage/v1/acme/-/-/-/event"),
        ("acme/north", "mirage/v1/acme/north/-/-/event"),
        ("acme/north/edge-1", "mirage/v1/acme/north/edge-1/-/event"),
    ],
)
def test_what_has_no_name_is_a_dash_in_the_topic(place: str, topic: str) -> None:
    assert notices.topic_of(place) == topic
    parsed = topics.parse(topic)
    assert (parsed.tenant, parsed.camera, parsed.leaf) == ("acme", "-", "event")


def test_of_the_whole_fleet_there_is_no_topic() -> None:
    assert notices.topic_of("") is None
