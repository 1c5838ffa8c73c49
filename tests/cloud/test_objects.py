"""The place of objects: the same in a folder and on S3, and clear words where it cannot be used."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.objects import MissingObjectError, Objects, ObjectsError
from mirage.demo.broker import free_port
from tests.gateway import Gateway, Mood, gateway
from tests.s3 import PAGE, S3, Keys

LARGE = 5 * 2**20 + 1000  # more than goes in one part


@pytest.fixture
def objects(place: str) -> Objects:
    return Objects(place)


@pytest.fixture
def way(s3: S3) -> Iterator[Gateway]:
    with gateway(s3.url) as opened:
        yield opened


def test_objects_are_found_by_key_and_missing_ones_are_named(objects: Objects) -> None:
    objects.put("clips/a.mp4", b"0123456789")
    assert objects.size("clips/a.mp4") == 10
    assert objects.read("clips/a.mp4", 2, 5) == b"234"
    for missing in (lambda: objects.size("clips/b.mp4"), lambda: objects.read("clips/b.mp4", 0, 1)):
        with pytest.raises(MissingObjectError, match=r"clips/b\.mp4: not there"):
            missing()
    with pytest.raises(ObjectsError):
        objects.size("../secrets")


def test_an_object_is_replaced_and_goes_and_may_go_twice(objects: Objects) -> None:
    objects.put("clips/a.mp4", b"first")
    objects.put("clips/a.mp4", b"second one")
    assert objects.size("clips/a.mp4") == 10
    objects.remove(["clips/a.mp4"])
    objects.remove(["clips/a.mp4"])
    with pytest.raises(MissingObjectError):
        objects.size("clips/a.mp4")


def test_all_objects_of_a_folder_are_listed_and_no_others(objects: Objects, place: str) -> None:
    names = {f"clips/{number}.mp4" for number in range(PAGE + 5)}
    objects.put_all(dict.fromkeys([*names, "clipsandmore/a.mp4", "posters/a.jpg"], b"four"))
    beside = Objects(f"{place}-beside")
    beside.put("clips/theirs.mp4", b"theirs")
    listed = [each for page in objects.listed("clips") for each in page]
    assert sorted(each.key for each in listed) == sorted(names)
    assert {each.size for each in listed} == {4}
    assert list(objects.listed("tails")) == []


def test_a_large_file_is_stored_in_parts_and_read_across_them(objects: Objects, tmp_path: Path) -> None:
    content = os.urandom(LARGE)
    (tmp_path / "film").write_bytes(content)
    objects.put("clips/a.mp4", tmp_path / "film")
    assert objects.size("clips/a.mp4") == LARGE
    assert objects.read("clips/a.mp4", 5 * 2**20 - 4, LARGE) == content[5 * 2**20 - 4 :]


@pytest.mark.parametrize("size", [1000, LARGE])
def test_of_an_upload_that_breaks_off_nothing_is_visible(
    s3: S3, way: Gateway, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """A part of a large one may lie there, where nobody sees it; and what was there before stays whole."""
    objects = Objects(s3.place(monkeypatch, url=way.url))
    objects.put("clips/old.mp4", b"the one before")
    way.mood = "breaks off writes"
    for key in ("clips/new.mp4", "clips/old.mp4"):
        with pytest.raises(ObjectsError, match=f"{key}: PUT at {way.url}: the connection broke"):
            objects.put(key, bytes(size))
    way.mood = "well"
    with pytest.raises(MissingObjectError):
        objects.size("clips/new.mp4")
    assert objects.read("clips/old.mp4", 0, objects.size("clips/old.mp4")) == b"the one before"
    assert [each.key for page in objects.listed("clips") for each in page] == ["clips/old.mp4"]


def test_a_bucket_that_is_gone_is_not_taken_for_objects_that_are(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else all clips would be rendered again, and what could not be removed would count as removed."""
    s3.place(monkeypatch)
    objects = Objects("s3://nowhere/site-1")
    for ask in (
        lambda: objects.size("clips/a.mp4"),
        lambda: objects.read("clips/a.mp4", 0, 1),
        lambda: objects.remove(["clips/a.mp4"]),
        lambda: list(objects.listed("clips")),
        lambda: objects.put("clips/a.mp4", b"film"),
    ):
        with pytest.raises(ObjectsError, match="404 Not Found, NoSuchBucket") as caught:
            ask()
        assert not isinstance(caught.value, MissingObjectError)


def test_a_place_that_can_be_used_is_as_it_was_after_the_check(objects: Objects, place: str) -> None:
    objects.check()
    assert [page for folder in ("clips", "check") for page in objects.listed(folder)] == []
    assert "://" in place or not any(path.is_file() for path in Path(place).rglob("*"))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKIA0"}, "403 Forbidden, InvalidAccessKeyId: .* are not those of this store"),
        ({"AWS_SECRET_ACCESS_KEY": "no"}, "403 Forbidden, SignatureDoesNotMatch: .* do not belong together"),
        ({"AWS_SECRET_ACCESS_KEY": None}, "Missing SecretAccessKey; set AWS_ACCESS_KEY_ID and"),
        (
            {"AWS_ENDPOINT": "127.0.0.1:9000"},
            r"AWS_ENDPOINT '127\.0\.0\.1:9000': is no address such as https",
        ),
        ({"AWS_ENDPOINT": "https://s3.example.com (an S3)"}, "is no address"),
        ({"AWS_ENDPOINT": ""}, "is no address"),
        ({"AWS_ENDPOINT": "http://127.0.0.1:CLOSED"}, "Connection refused; is AWS_ENDPOINT right"),
    ],
)
def test_wrong_settings_are_one_line_that_says_what_to_do(
    s3: S3, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str | None], reason: str
) -> None:
    place = s3.place(monkeypatch)
    for name, value in changed.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value.replace("CLOSED", str(free_port())))
    refused(place, reason)


def refused(place: str, reason: str, timeout_s: float = 30) -> None:
    with pytest.raises(ObjectsError, match=f"^objects {place}.*{reason}") as caught:
        Objects(place, timeout_s).check()
    assert "\n" not in str(caught.value)


def test_a_missing_bucket_is_named_and_so_are_rights_and_credentials_that_are_missing(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.place(monkeypatch)
    refused("s3://nowhere/site-1", r"404 Not Found, NoSuchBucket: .*; make that bucket, or name another")
    refused(
        s3.place(monkeypatch, keys=s3.reader), "403 Forbidden, AccessDenied: .*; these credentials may not"
    )
    place = s3.place(monkeypatch)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{free_port()}")  # no machine of Amazon's
    refused(place, "there are none, and this machine has no role of its own")


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ("refuses writes", "503 .*SlowDown: .*start again once"),
        ("hangs", "no answer in time; is AWS_ENDPOINT"),
    ],
)
def test_a_store_in_trouble_is_given_up_and_named(
    s3: S3, way: Gateway, monkeypatch: pytest.MonkeyPatch, mood: Mood, reason: str
) -> None:
    way.mood = mood
    refused(s3.place(monkeypatch, url=way.url), reason, timeout_s=0.5 if mood == "hangs" else 30)
    assert len(way.seen) <= 4, "it is not asked without end"


def test_a_request_that_failed_once_is_made_again(
    s3: S3, way: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = Objects(s3.place(monkeypatch, url=way.url))
    way.heals_after, way.mood = 2, "refuses writes"
    objects.put("clips/a.mp4", b"film")
    assert way.seen == ["PUT"] * 3
    assert objects.size("clips/a.mp4") == 4


def test_no_secret_is_in_what_is_said(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys(s3.owner.id, "a secret that is wrong")
    with pytest.raises(ObjectsError) as caught:
        Objects(s3.place(monkeypatch, keys=keys)).check()
    assert keys.id not in str(caught.value)
    assert keys.secret not in str(caught.value)


@pytest.mark.parametrize("where", ["/proc/nowhere", "carrier-pigeon://roof/"])
def test_an_unusable_place_for_objects_is_one_clear_line(where: str) -> None:
    with pytest.raises(ObjectsError, match="objects ") as caught:
        Objects(where)
    assert "\n" not in str(caught.value)
