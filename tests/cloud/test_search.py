"""Search over stored captions, the same on both databases."""

from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from cloud.query import Phrase, Query
from cloud.schema import SegmentRow
from cloud.search import CursorError, Order, Scope, Search, UnknownPlaceError, Wanted
from cloud.store import Store
from tests.cloud.desk import Desk
from tests.cloud.sample import BOOT_WALL_MS, Device
from tests.cloud.schemas import migrate
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.topics import DeviceTopics

SAID = (
    "a red car drives to the left",
    "a white boat moves away",
    "two pedestrians wait beside a red car",
    "a car red with rust",
    "heavy rain, a red car",
    "Élise paints a close-up",
)


class Town:
    """Two devices at two sites; what the first says is in `SAID`, a second apart."""

    def __init__(self, store: Store, bundle: Bundle) -> None:
        self.store = store
        self.desk = Desk(store, [bundle])
        self.search = Search(store)
        cameras = (CameraInfo("gate", 640, 480, 25.0), CameraInfo("yard", 640, 480, 25.0))
        self.north = Device(bundle, cameras=cameras)
        self.desk.birth(self.north)

    def say(self, *captions: str | None, camera: str = "gate", device: Device | None = None) -> None:
        device = device or self.north
        for caption in captions:
            self.desk.sem(device, device.packet(caption, camera=camera), camera)

    def find(
        self,
        text: str,
        places: Mapping[Scope, str] | None = None,
        *,
        order: Order = "newest",
        from_ms: int = 0,
        to_ms: int = 2**53,
    ) -> list[str | None]:
        page = self.search.find(Wanted(text, places or {}, from_ms, to_ms, order))
        return [hit.segment.caption for hit in page.results]


@pytest.fixture
def town(any_store: Store, bundle: Bundle) -> Town:
    made = Town(any_store, bundle)
    made.say(*SAID)
    return made


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("car", [4, 3, 2, 0], id="newest first"),
        pytest.param("RED car", [4, 3, 2, 0], id="all words in any order"),
        pytest.param('"red car"', [4, 2, 0], id="phrase"),
        pytest.param("car -rain", [3, 2, 0], id="excluded"),
        pytest.param('car -"red car"', [3], id="excluded phrase"),
        pytest.param("-car", [5, 1], id="only excluded"),
        pytest.param("ped*", [2], id="beginning"),
        pytest.param("r* -rai*", [3, 2, 0], id="one letter"),
        pytest.param("c*", [5, 4, 3, 2, 0], id="letter of many"),
        pytest.param("0*", [], id="not what places are indexed as"),
        pytest.param("0all", [], id="nor that which all are"),
        pytest.param("pedestrian", [], id="no part of a word"),
        pytest.param("élise", [5], id="letters beyond ASCII"),
        pytest.param("close-up", [5], id="hyphen"),
        pytest.param("up close", [5], id="hyphens only separate"),
        pytest.param("!!!", [], id="no word at all"),
        pytest.param("a" * 200, [], id="long"),
        pytest.param("a red " * 33, [4, 3, 2, 0], id="many words"),
        pytest.param("-x " * 66, [5, 4, 3, 2, 1, 0], id="many exclusions"),
    ],
)
def test_captions_are_found(town: Town, text: str, found: list[int]) -> None:
    assert town.find(text) == [SAID[number] for number in found]


def test_where_is_a_camera_a_device_a_site_or_a_tenant(town: Town, bundle: Bundle) -> None:
    south = Device(bundle, name="jetson-2")
    south.topics = DeviceTopics("acme", "south", "jetson-2")
    town.desk.birth(south)
    town.say("a red car of the yard", camera="yard")
    town.say("a red car of the south", device=south)
    yard, of_south, others = ["a red car of the yard"], ["a red car of the south"], [4, 3, 2, 0]
    of_gate: list[str | None] = [SAID[number] for number in others]
    assert town.find("car", {"camera": "acme/north/jetson-1/yard"}) == yard
    assert town.find("car", {"device": "acme/south/jetson-2"}) == of_south
    assert town.find("car", {"site": "acme/south"}) == of_south
    assert sorted(map(str, town.find("car", {"site": "acme/north"}))) == sorted(map(str, [*yard, *of_gate]))
    assert town.find("car", {"site": "acme/north", "camera": "acme/north/jetson-1/gate"}) == of_gate
    assert town.find("car", {"site": "acme/south", "camera": "acme/north/jetson-1/gate"}) == []
    assert len(town.find("-boat", {"tenant": "acme"})) == 7


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        pytest.param("camera", "acme/north/jetson-1/roof", id="no such camera"),
        pytest.param("camera", "acme/north", id="too short"),
        pytest.param("site", "north", id="a site without its tenant"),
        pytest.param("site", "acme/north/jetson-1", id="too long"),
        pytest.param("tenant", "", id="empty"),
        pytest.param("tenant", 'x" OR "0all', id="syntax"),
    ],
)
def test_a_place_that_is_not_there_is_named(town: Town, scope: Scope, path: str) -> None:
    with pytest.raises(UnknownPlaceError, match=f"no {scope}"):
        town.find("car", {scope: path})


def test_when_is_exact_to_the_millisecond(town: Town) -> None:
    second = BOOT_WALL_MS + 2_000
    assert town.find("car", from_ms=second, to_ms=second + 1) == [SAID[2]]
    assert town.find("car", from_ms=second + 1, to_ms=second + 1_000) == []
    assert town.find("car", to_ms=second) == [SAID[0]]
    assert town.find("car", from_ms=second + 1) == [SAID[4], SAID[3]]


def test_accents_are_found_however_the_device_typed_them(town: Town) -> None:
    town.say("a cafe\N{COMBINING ACUTE ACCENT} opens")
    assert town.find("café") == ["a café opens"]


def test_pages_follow_each_other_also_while_more_comes(town: Town) -> None:
    first = town.search.find(Wanted("car", {}, limit=3))
    town.say("another car")
    second = town.search.find(Wanted("car", {}, limit=3, cursor=first.cursor))
    assert [hit.segment.caption for hit in first.results] == [SAID[4], SAID[3], SAID[2]]
    assert ([hit.segment.caption for hit in second.results], second.cursor) == ([SAID[0]], None)


def test_the_closest_say_little_else(town: Town) -> None:
    wanted = [SAID[4], SAID[3], SAID[2], SAID[0]]  # 2 of 5, 5, 7 and 7 words; the newer first
    assert town.find("red car", order="closest") == wanted
    town.say("red car", "a man")
    pages, cursor = list[str | None](), None
    for _ in range(3):
        page = town.search.find(Wanted("red car", {}, order="closest", limit=2, cursor=cursor))
        pages += [hit.segment.caption for hit in page.results]
        cursor = page.cursor
    assert (pages, cursor) == (["red car", *wanted], None)


@pytest.mark.parametrize("cursor", ["", "x", "1", "1-", "-1-0", "1-2-3", "٣-0", "9" * 30 + "-0", "1-0; --"])
def test_a_cursor_that_no_page_gave_is_refused(town: Town, cursor: str) -> None:
    with pytest.raises(CursorError, match="is none that a page gave"):
        town.search.find(Wanted("car", {}, cursor=cursor))


def test_what_is_derived_again_is_found_as_it_is_now(any_store: Store, bundle: Bundle) -> None:
    town = Town(any_store, bundle)
    packets = [
        town.north.packet("a red car"),
        town.north.packet("a blue boat"),
        town.north.packet("a blue boat"),
    ]
    for packet in (packets[0], packets[2]):
        town.desk.sem(town.north, packet)
    assert town.find("boat") == []  # the last says "as before", and nobody knows what was before
    town.desk.sem(town.north, packets[1])
    assert town.find("boat") == ["a blue boat"] * 2


def test_what_moves_in_time_is_found_where_it_is_now(any_store: Store, bundle: Bundle) -> None:
    town = Town(any_store, bundle)
    town.say("a red car")
    with town.store.write() as session:
        session.execute(update(SegmentRow).values(start_ms=BOOT_WALL_MS - 3_600_000, caption="a green car"))
    assert town.find("red") == []
    assert town.find("car", to_ms=BOOT_WALL_MS) == ["a green car"]
    assert town.find("car", from_ms=BOOT_WALL_MS) == []
    with town.store.write() as session:
        session.execute(update(SegmentRow).values(caption=None))
    assert town.find("-red") == []


@pytest.mark.parametrize("start_ms", [-1, 0, 2**32 * 1000 - 1, 2**32 * 1000, 2**53 - 2])
def test_clocks_that_are_far_off_break_nothing(any_store: Store, bundle: Bundle, start_ms: int) -> None:
    town = Town(any_store, bundle)
    town.say("a red car", "a boat")
    with town.store.write() as session:
        session.execute(update(SegmentRow).values(start_ms=start_ms))
    assert town.find("car", from_ms=min(start_ms, 0)) == ["a red car"]
    assert town.find("car", from_ms=start_ms, to_ms=start_ms + 1) == ["a red car"]
    with town.store.write() as session:
        session.execute(delete(SegmentRow))
    assert town.find("-x") == []


def test_what_was_stored_before_there_was_a_search_is_found(town: Town, store_url: str) -> None:
    migrate(store_url, "0007")
    again = Store(store_url)
    hits = Search(again).find(Wanted("car", {"camera": "acme/north/jetson-1/gate"})).results
    again.close()
    assert [hit.segment.caption for hit in hits] == [SAID[4], SAID[3], SAID[2], SAID[0]]
    town.say("a car that came later")
    assert len(town.find("car")) == 5


def test_what_is_gone_is_not_found_and_can_come_again(town: Town) -> None:
    with town.store.write() as session:
        session.execute(delete(SegmentRow).where(SegmentRow.caption == SAID[2]))
    assert town.find("car") == [SAID[4], SAID[3], SAID[0]]
    assert town.find("ped*") == []


def test_what_was_rolled_back_is_not_found(town: Town) -> None:
    with town.store.write() as session:
        session.execute(update(SegmentRow).values(caption="a zebra"))
        session.rollback()
    assert (town.find("zebra"), len(town.find("car"))) == ([], 4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60) | st.text("ab \"*-():^'\\{}+&|!<>", max_size=40))
def test_whatever_is_typed_has_an_answer(town: Town, text: str) -> None:
    town.find(text)


WORDS = ("a", "red", "reddish", "car", "boat", "to", "the", "left")
PARTS = st.builds(
    lambda minus, words, quoted, star: minus + (f'"{" ".join(words)}"' if quoted else words[0] + star),
    st.sampled_from(["", "", "-"]),
    st.lists(st.sampled_from([*WORDS, "re", "c"]), min_size=1, max_size=3),
    st.booleans(),
    st.sampled_from(["", "*"]),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PARTS, min_size=1, max_size=4).map(" ".join))
def test_what_is_found_is_what_reading_all_captions_finds(town: Town, text: str) -> None:
    with town.store.write() as session:
        for place, segment in enumerate(session.scalars(select(SegmentRow).order_by(SegmentRow.start_ms))):
            segment.caption = " ".join(WORDS[(place * step + step) % len(WORDS)] for step in (1, 3, 5, 2, 7))
    with town.store.read() as session:
        newest_first = session.scalars(select(SegmentRow.caption).order_by(SegmentRow.start_ms.desc())).all()
    query = Query.parse(text)
    wanted = [
        caption
        for caption in newest_first
        if caption is not None
        and all(says(caption, phrase) for phrase in query.wanted)
        and not any(says(caption, phrase) for phrase in query.unwanted)
    ]
    assert town.find(text) == wanted


def says(caption: str, phrase: Phrase) -> bool:
    words, length = caption.split(), len(phrase.words)
    for first in range(len(words) - length + 1):
        *whole, last = words[first : first + length]
        ends = last.startswith(phrase.words[-1]) if phrase.prefix else last == phrase.words[-1]
        if whole == list(phrase.words[:-1]) and ends:
            return True
    return False
