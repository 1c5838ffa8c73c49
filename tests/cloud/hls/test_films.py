"""Films in memory, and their init segments where all processes find them."""

import pytest

from cloud.hls.film import FilmError, cut
from cloud.hls.films import Films
from cloud.hls.pace import Clip
from cloud.objects import MissingObjectError, Objects
from tests.cloud.hls.cinema import clip

FILM = clip(50, 10)


@pytest.fixture
def objects(place: str) -> Objects:
    return Objects(place)


def stored(objects: Objects, name: str) -> Clip:
    objects.put(f"clips/{name}.mp4", FILM)
    return Clip(name, f"clips/{name}.mp4", len(FILM))


def test_the_least_used_films_go_when_there_is_no_room(objects: Objects) -> None:
    films = Films(objects, room=2 * cut(FILM).size)
    one, two, three = (stored(objects, name) for name in ("one", "two", "three"))
    for each in (one, two, one, three):
        films.film(each)
    objects.remove([each.video_key for each in (one, two, three)])
    assert films.film(one) == films.film(three) == cut(FILM)
    with pytest.raises(FilmError, match=r"two\.mp4: not there"):
        films.film(two)


def test_a_film_beyond_all_room_is_given_all_the_same(objects: Objects) -> None:
    one = stored(objects, "one")
    assert Films(objects, room=10).film(one) == cut(FILM)


def test_a_last_picture_is_made_once(objects: Objects) -> None:
    films, one = Films(objects), stored(objects, "one")
    held = films.held(one)
    objects.remove([one.video_key])
    assert films.held(one) is held


def test_an_init_segment_is_found_by_every_process(objects: Objects) -> None:
    film = cut(FILM)
    Films(objects).publish(film)
    assert Films(objects).init(film.init_id) == film.init
    with pytest.raises(MissingObjectError):
        Films(objects).init("0" * 16)
