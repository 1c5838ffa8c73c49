"""Thumbnails are fetched from the server of the settings, with the token, and from nowhere else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mirage.bridge.pictures import MAX_BYTES, PictureError, Pictures, Source
from mirage.bridge.settings import PicturesFrom
from mirage.subscriber.settings import SettingsError
from tests.cloud.waiting import until
from tests.mirage.bridge.picture_server import JPEG, PictureServer, picture_of, picture_server


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with picture_server() as running:
        yield running


def test_a_path_and_an_address_are_fetched_with_the_token(server: PictureServer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret-token\n")
    source = Source(PicturesFrom(server.url, str(tmp_path / "token")))
    assert source.fetch("/a.jpg") == picture_of("/a.jpg")
    assert source.fetch(f"{server.url}/b.jpg") == picture_of("/b.jpg")
    assert server.asked == [("/a.jpg", "Bearer secret-token"), ("/b.jpg", "Bearer secret-token")]


def test_without_a_token_none_is_sent(server: PictureServer) -> None:
    Source(PicturesFrom(server.url)).fetch("/a.jpg")
    assert server.asked == [("/a.jpg", None)]


@pytest.mark.parametrize(
    "url", ["http://elsewhere.example/a.jpg", "//elsewhere.example/a", "file:///etc/passwd"]
)
def test_nothing_is_fetched_from_elsewhere(server: PictureServer, url: str) -> None:
    with pytest.raises(PictureError, match="is not at http"):
        Source(PicturesFrom(server.url)).fetch(url)


def test_no_redirection_is_followed(server: PictureServer) -> None:
    server.answers["/a.jpg"] = (302, {"Location": f"{server.url}/b.jpg"}, b"")
    with pytest.raises(PictureError, match="Found"):
        Source(PicturesFrom(server.url)).fetch("/a.jpg")
    assert [path for path, _ in server.asked] == ["/a.jpg"]


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (404, JPEG, "Not Found"),
        (200, b"<html>", "is no JPEG"),
        (200, JPEG + bytes(MAX_BYTES), "is no JPEG of at most"),
    ],
)
def test_what_is_no_picture_is_told(server: PictureServer, status: int, body: bytes, reason: str) -> None:
    server.answers["/a.jpg"] = (status, {}, body)
    with pytest.raises(PictureError, match=rf"/a\.jpg: .*{reason}"):
        Source(PicturesFrom(server.url)).fetch("/a.jpg")


def test_where_no_server_is_that_is_told() -> None:
    with pytest.raises(PictureError, match="refused"):
        Source(PicturesFrom("http://127.0.0.1:1")).fetch("/a.jpg")


def test_a_token_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("two words")
    for name, reason in (("token", "holds no token"), ("none", "No such file")):
        with pytest.raises(SettingsError, match=rf"pictures\.token_file: .*{name}: .*{reason}"):
            Source(PicturesFrom("http://h", str(tmp_path / name)))


def test_the_latest_wish_of_a_camera_comes_and_the_others_are_not_fetched(server: PictureServer) -> None:
    pictures = Pictures(Source(PicturesFrom(server.url)), every_s=3600)
    taken = dict[str, bytes]()

    def came(topic: str, path: str) -> bool:
        taken.update(pictures.take())
        return taken.get(topic) == picture_of(path)

    try:
        pictures.want("door", "/1.jpg")
        until(lambda: came("door", "/1.jpg"))
        pictures.want("door", "/2.jpg")  # not within the hour
        pictures.want("yard", "/3.jpg")
        until(lambda: came("yard", "/3.jpg"))
        pictures.want("door", "/4.jpg", urgent=True)
        until(lambda: came("door", "/4.jpg"))
    finally:
        pictures.close()
    assert [path for path, _ in server.asked] == ["/1.jpg", "/3.jpg", "/4.jpg"]


def test_a_server_that_fails_costs_only_its_picture(server: PictureServer) -> None:
    server.answers["/1.jpg"] = (503, {}, b"")
    pictures = Pictures(Source(PicturesFrom(server.url)), every_s=0)
    try:
        pictures.want("door", "/1.jpg")
        until(lambda: len(server.asked) == 1)
        pictures.want("door", "/2.jpg")
        until(lambda: [picture.data for picture in pictures.take()] == [picture_of("/2.jpg")])
    finally:
        pictures.close()
