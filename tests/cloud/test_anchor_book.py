"""Anchors: what is kept of a picture, for which clips it is taken, and that these tell which they took."""

import io
import json
import threading
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image

from cloud.access.declare import caller_of
from cloud.access.roles import Caller, Role
from cloud.anchor_book import LONG_SIDE_PX, AnchorBook, Use
from cloud.anchor_routes import anchor_routes
from cloud.objects import MissingObjectError, Objects
from cloud.render.anchors import AnchorError
from cloud.store import Store
from tests.cloud.demanding import bound_by
from tests.cloud.desk import Desk
from tests.cloud.sample import Device
from tests.cloud.test_looks import GATE, SHORT, House
from tests.cloud.web import serving
from wire.bundle import Bundle
from wire.policy import Demands


def picture(colour: int, size: tuple[int, int] = (64, 36)) -> bytes:
    """Make a JPEG that says where it was taken, and by whom."""
    exif = Image.Exif()
    exif[0x013B] = "Alice"  # artist
    exif[0x010E] = "the yard of 12 Elm Street"
    file = io.BytesIO()
    Image.new("RGB", size, (colour, colour, colour)).save(file, "JPEG", exif=exif, quality=95)
    return file.getvalue()


@pytest.fixture
def objects(place: str) -> Objects:
    return Objects(place)


@pytest.fixture
def book(store: Store, objects: Objects) -> AnchorBook:
    return AnchorBook(store, objects)


def test_of_a_picture_its_pixels_are_kept_and_nothing_else_that_its_file_says(book: AnchorBook) -> None:
    uploaded = picture(90)
    assert b"Alice" in uploaded
    added = book.add(uploaded, Use("place"), "yard.jpg")
    kept = book.jpeg(added.sha256)
    assert b"Alice" not in kept
    assert b"Elm Street" not in kept
    assert b"Exif" not in kept
    assert abs(float(book.picture(added.sha256).mean()) - 90) < 2


def test_no_picture_is_kept_larger_than_clips_may_be(book: AnchorBook) -> None:
    added = book.add(picture(90, (4000, 100)), Use("place"))
    assert (added.width, added.height) == (LONG_SIDE_PX, 51)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no picture that can be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture that can be read"),
        (picture(9)[:200], "no picture that can be read"),
        (picture(9, (4, 4)), "8 at least"),
        (b"x" * (16 * 2**20 + 1), "limit is 16,777,216"),
    ],
)
def test_what_is_no_picture_is_refused_by_looking_at_it(book: AnchorBook, data: bytes, reason: str) -> None:
    with pytest.raises(AnchorError, match=reason):
        book.add(data, Use("place"), "yard.jpg")
    assert book.listed() == ()


@pytest.mark.parametrize(
    ("use", "reason"),
    [
        (("place", "acme/north"), "tenant/site/device/camera"),
        (("thing", GATE), "needs the word"),
        (("place", GATE, "car"), "for things only"),
        (("person", GATE), "none of place"),
    ],
)
def test_a_use_that_makes_no_sense_is_refused(use: tuple[str, ...], reason: str) -> None:
    with pytest.raises(AnchorError, match=reason):
        Use(*use)  # type: ignore[arg-type]


def test_a_picture_is_stored_once_and_goes_with_its_last_use(book: AnchorBook, objects: Objects) -> None:
    first, second = book.add(picture(90), Use("place", GATE)), book.add(picture(90), Use("place", "*/*/*/*"))
    assert (first.sha256, first.id) == (second.sha256, second.id - 1)
    assert book.add(picture(90), Use("place", GATE, role=Role.ADMIN)).id == first.id
    assert sum(len(each) for each in objects.listed("anchors")) == 1
    assert book.remove(first.id)
    assert book.jpeg(second.sha256)
    assert book.remove(second.id)
    with pytest.raises(MissingObjectError):
        objects.size(f"anchors/{second.sha256}.jpg")
    assert not book.remove(second.id)


class Halting(Objects):
    """Halts before it removes, until it may go on: an object store over a network can take that long."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.begun, self.may_go_on = threading.Event(), threading.Event()

    def remove(self, keys: Collection[str]) -> None:
        self.begun.set()
        assert self.may_go_on.wait(60)
        super().remove(keys)


def test_a_picture_that_is_added_while_its_last_use_goes_is_there(store_url: str, objects: Objects) -> None:
    halting = Halting(objects.where)
    stores = Store(store_url), Store(store_url)
    here, there = AnchorBook(stores[0], halting), AnchorBook(stores[1], objects)
    first = here.add(picture(90), Use("place", GATE))
    with ThreadPoolExecutor(2) as clouds:
        removed = clouds.submit(here.remove, first.id)
        assert halting.begun.wait(60)
        added = clouds.submit(there.add, picture(90), Use("place", "*/*/*/*"))
        wait([added], 0.5)  # it is to wait for the other: if it does not, it is done by now
        halting.may_go_on.set()
        assert removed.result(60)
        assert there.jpeg(added.result(60).sha256)
    for each in stores:
        each.close()


@pytest.fixture
def here(store: Store, desk: Desk, device: Device, bundle: Bundle, tmp_path: Path) -> House:
    """Have a segment that says car, one that forbids people, and one that forbids all anchors."""
    desk.birth(device)
    desk.sem(device, device.packet("a red car drives left"))
    desk.sem(device, bound_by(device.packet("a boat", refresh=True), Demands(anchors="places")))
    desk.sem(device, bound_by(device.packet("a boat", refresh=True), Demands(anchors="none")))
    return House(store, bundle, tmp_path, SHORT)


def used(house: House, segment_id: int, role: Role = Role.VIEWER) -> list[str]:
    clip = house.clip(role, segment_id)
    assert clip is not None
    return list(json.loads(clip.provenance)["policy"]["anchors"])


def test_clips_take_what_is_for_their_camera_their_words_and_their_role(here: House) -> None:
    place = here.book.add(picture(10), Use("place", GATE))
    here.book.add(picture(20), Use("place", "umbra/*/*/*"))
    car = here.book.add(picture(30), Use("thing", GATE, "car"))
    here.book.add(picture(40), Use("thing", GATE, "boat"))
    people = here.book.add(picture(50), Use("people"))
    inside = here.book.add(picture(60), Use("place", GATE, role=Role.OPERATOR))
    assert used(here, 1) == [place.sha256, car.sha256, people.sha256]
    assert used(here, 1, Role.OPERATOR) == [place.sha256, inside.sha256, car.sha256, people.sha256]
    shown, theirs = here.noting.contexts
    assert (len(shown.anchors), shown.grounds) == (3, 1)
    assert (len(theirs.anchors), theirs.grounds) == (4, 2)


def test_a_sender_that_allows_fewer_gets_fewer_and_the_clip_says_why(here: House) -> None:
    place = here.book.add(picture(10), Use("place", GATE))
    boat = here.book.add(picture(40), Use("thing", GATE, "boat"))
    here.book.add(picture(50), Use("people"))
    assert used(here, 2) == [place.sha256, boat.sha256]
    assert used(here, 3) == []
    clip = here.viewing.catalog.segment(3).clip
    assert clip is not None
    said = clip.constraints["anchors"]
    assert isinstance(said, dict)
    assert said["outcome"] == "refused"
    assert "allows no such pictures" in said["why"]


def test_a_clip_is_made_anew_once_an_anchor_comes_or_goes(here: House) -> None:
    before = here.clip(Role.VIEWER)
    added = here.book.add(picture(10), Use("place", GATE))
    assert here.viewing.catalog.segment(1).clip is None
    after = here.clip(Role.VIEWER)
    assert before is not None
    assert after is not None
    assert before.provenance != after.provenance
    here.book.remove(added.id)
    assert used(here, 1) == []


def test_a_stored_stand_in_is_the_figure_of_those_who_see_stand_ins(here: House) -> None:
    here.settle(SHORT + '[receiver.viewer]\npeople = "stand-in"\n')
    figure = here.book.add(picture(70), Use("stand-in"))
    here.clip(Role.VIEWER)
    here.clip(Role.OPERATOR)
    (viewers, operators) = here.noting.policies
    assert (viewers.stand_in, operators.stand_in) == (figure.sha256, None)
    assert here.noting.contexts[0].figure is not None
    assert here.noting.contexts[1].figure is None
    assert (here.noting.segments[0].tokens, here.noting.segments[1].tokens is None) == (None, False)


@pytest.fixture
def http(book: AnchorBook) -> Iterator[httpx.Client]:
    app = FastAPI()
    app.include_router(anchor_routes(book))
    with serving(app) as client:
        yield client


def test_the_interface_adds_shows_and_removes(http: httpx.Client) -> None:
    added = http.post("/api/v1/anchors", params={"camera": GATE, "name": "yard.jpg"}, content=picture(90))
    assert added.status_code == 201, added.text
    found = added.json()
    assert http.get("/api/v1/anchors").json() == [found]
    shown = http.get(f"/api/v1/anchors/{found['id']}/picture")
    assert shown.headers["content-type"] == "image/jpeg"
    assert np.asarray(Image.open(io.BytesIO(shown.content))).shape == (36, 64, 3)
    assert http.delete(f"/api/v1/anchors/{found['id']}").status_code == 204
    assert http.delete(f"/api/v1/anchors/{found['id']}").status_code == 404


def test_the_interface_refuses_what_is_no_picture_and_says_so(http: httpx.Client) -> None:
    for content in (b"", b"no picture"):
        refused = http.post("/api/v1/anchors", params={"camera": GATE}, content=content)
        assert refused.status_code == 422
        assert refused.json()["type"].endswith("unusable-anchor")
    assert http.get("/api/v1/anchors").json() == []


def test_an_operator_neither_sees_nor_makes_what_is_for_admins_only(book: AnchorBook) -> None:
    secret = book.add(picture(10), Use("place", GATE, role=Role.ADMIN))
    app = FastAPI()
    app.include_router(anchor_routes(book))
    app.dependency_overrides[caller_of] = lambda: Caller("anna", Role.OPERATOR)
    with serving(app) as client:
        assert client.get("/api/v1/anchors").json() == []
        assert client.get(f"/api/v1/anchors/{secret.id}/picture").status_code == 404
        assert client.delete(f"/api/v1/anchors/{secret.id}").status_code == 404
        asked = {"camera": GATE, "role": "admin"}
        refused = client.post("/api/v1/anchors", params=asked, content=picture(90))
        assert refused.status_code == 422
        assert "above yours" in refused.json()["detail"]
        assert client.post("/api/v1/anchors", params={"camera": GATE}, content=picture(90)).status_code == 201
    assert [each.role for each in book.listed()] == ["admin", "viewer"]
