"""Which queries a caption answers: the same that search finds it by, however many there are."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from cloud.alerts.matching import Matcher, answers
from cloud.index import composed
from cloud.query import Query, words_of
from cloud.schema import SegmentRow
from cloud.search import Search, Wanted
from cloud.store import Store
from tests.cloud.desk import Desk
from tests.cloud.sample import Device
from wire.bundle import Bundle

CAPTION = "Heavy rain: a red car, close-up, beside two pedestrians"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("car", True, id="word"),
        pytest.param("CAR rain", True, id="all words in any order"),
        pytest.param("car boat", False, id="not all words"),
        pytest.param('"red car"', True, id="phrase"),
        pytest.param('"car red"', False, id="phrase in another order"),
        pytest.param('"red close"', False, id="phrase with something between"),
        pytest.param("ped*", True, id="beginning"),
        pytest.param("pedestrian", False, id="no part of a word"),
        pytest.param("car -rain", False, id="excluded"),
        pytest.param("car -close-up", False, id="excluded phrase"),
        pytest.param("car -ped*", False, id="excluded beginning"),
        pytest.param("-snow", True, id="only excluded"),
        pytest.param("-rain", False, id="only excluded, and there"),
        pytest.param("!!!", False, id="no word at all"),
    ],
)
def test_a_caption_answers_a_query_or_not(text: str, *, found: bool) -> None:
    assert Matcher([Query.parse(text)]).match(CAPTION) == ([0] if found else [])


def test_all_that_match_are_named_in_order() -> None:
    texts = ["boat", "car", "-boat", "re*", '"a red"', "", "car -red", "red"]
    assert Matcher([Query.parse(text) for text in texts]).match("a red car") == [1, 2, 3, 4, 7]


# Not among them: what one database takes for a letter, or for another one, and the other does not, as ², two
# kinds of s and μ, marks that belong to no letter.
LETTERS = "aAbcéÉßñøŁżλΩяЖ犬한٣7 -_.,:'\"()*\t🚗"
SAYABLE = (
    "a", "red", "RED", "reddish", "car", "élan", "e\u0301lan", "1e5", "3d", "0c1", "0all", "犬", "close-up",
)  # fmt: skip
CAPTIONS = st.text(LETTERS, max_size=24) | st.lists(st.sampled_from(SAYABLE), max_size=6).map(" ".join)
QUERIES = st.text(LETTERS + "-", max_size=16) | st.lists(
    st.builds(
        lambda minus, words, quoted, star: minus + (f'"{" ".join(words)}"' if quoted else words[0] + star),
        st.sampled_from(["", "", "-"]),
        st.lists(
            st.sampled_from(["a", "red", "re", "car", "ca", "1e5", "0", "3", "él", "犬", "close", "up"]),
            min_size=1, max_size=3,
        ),
        st.booleans(),
        st.sampled_from(["", "*"]),
    ),
    max_size=4,
).map(" ".join)  # fmt: skip


@given(st.lists(QUERIES, max_size=12), CAPTIONS)
def test_the_index_finds_what_reading_all_queries_finds(texts: list[str], caption: str) -> None:
    queries = [Query.parse(text) for text in texts]
    words = words_of(caption)
    assert Matcher(queries).match(caption) == [
        place for place, query in enumerate(queries) if answers(query, words)
    ]


class Wall:
    """Segments whose captions are written anew, as the store then finds them."""

    def __init__(self, store: Store, bundle: Bundle, count: int) -> None:
        desk, device = Desk(store, [bundle]), Device(bundle)
        desk.birth(device)
        for _ in range(count):
            desk.sem(device, device.packet("x"))
        self.store, self.search = store, Search(store)
        with store.read() as session:
            self.ids = session.scalars(select(SegmentRow.packet_id).order_by(SegmentRow.start_ms)).all()

    def write(self, captions: list[str]) -> None:
        with self.store.write() as session:
            for number, caption in zip(self.ids, captions, strict=True):
                segment = update(SegmentRow).where(SegmentRow.packet_id == number)
                session.execute(segment.values(caption=composed(caption)))

    def found(self, text: str) -> list[int]:
        return sorted(hit.segment.id for hit in self.search.find(Wanted(text, {})).results)


@pytest.fixture
def wall(any_store: Store, bundle: Bundle) -> Wall:
    return Wall(any_store, bundle, 6)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CAPTIONS, min_size=6, max_size=6), st.lists(QUERIES, min_size=1, max_size=8))
def test_what_matches_is_what_search_finds(wall: Wall, captions: list[str], texts: list[str]) -> None:
    wall.write(captions)
    matcher = Matcher([Query.parse(text) for text in texts])
    matches = [matcher.match(caption) for caption in captions]
    for place, text in enumerate(texts):
        matched = [number for number, found in zip(wall.ids, matches, strict=True) if place in found]
        assert wall.found(text) == matched, text
