"""Who sees which alerts: those of places inside a scope, and nothing of those that look further."""

import pytest

from cloud.access.roles import Scope
from cloud.alerts.book import Book
from cloud.alerts.rulebook import UnknownAlertError
from cloud.alerts.rules import AlertError, Draft
from cloud.config_events import Events
from cloud.store import Store
from tests.cloud.alerts.lookout import HOOKS, Lookout
from wire.bundle import Bundle

NORTH, SOUTH = Scope.parse("acme/north"), Scope.parse("acme/south")


@pytest.fixture
def lookout(any_store: Store, bundle: Bundle) -> Lookout:
    return Lookout(any_store, bundle, Events())


@pytest.fixture
def book(lookout: Lookout) -> Book:
    return Book(lookout.store, HOOKS, lambda: lookout.now_ms)


def test_a_scope_sees_its_own_alerts_and_what_they_found(book: Book, lookout: Lookout) -> None:
    everywhere = book.add(Draft("Everywhere", "car", cooldown_s=0))
    north = book.add(Draft("North", "car", "acme/north", cooldown_s=0), NORTH)
    gate = book.add(Draft("Gate", "car", "acme/north/jetson-1/gate", cooldown_s=0), NORTH)
    book.add(Draft("South", "car", "acme/south"), SOUTH)
    lookout.say("a red car")
    assert [alert.id for alert in book.overview(NORTH).alerts] == [gate.id, north.id]
    assert {hit.alert for hit in book.hits(10, scope=NORTH).results} == {gate.id, north.id}
    assert {hit.alert for hit in book.hits(10).results} == {everywhere.id, gate.id, north.id}
    assert book.hits(10, scope=SOUTH).results == []


def test_what_is_outside_of_a_scope_is_not_there(book: Book) -> None:
    everywhere = book.add(Draft("Everywhere", "car"))
    for attempt in (
        lambda: book.find(everywhere.id, NORTH),
        lambda: book.remove(everywhere.id, NORTH),
        lambda: book.change(everywhere.id, everywhere.draft, NORTH),
        lambda: book.hits(10, everywhere.id, scope=NORTH),
    ):
        with pytest.raises(UnknownAlertError, match=f"no alert {everywhere.id}"):
            attempt()
    assert book.find(everywhere.id) == everywhere


@pytest.mark.parametrize("place", ["", "acme", "acme/south", "acme/northern"])
def test_no_scope_looks_further_than_it_reaches(book: Book, place: str) -> None:
    mine = book.add(Draft("Mine", "car", "acme/north"), NORTH)
    wider = Draft("Wider", "car", place)
    for attempt in (
        lambda: book.add(wider, NORTH),
        lambda: book.tried(wider, scope=NORTH),
        lambda: book.change(mine.id, wider, NORTH),
    ):
        with pytest.raises(AlertError, match="is not within acme/north"):
            attempt()
