"""Anchors: pictures read with the hash of their file, or a reason that names it."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from cloud.render import anchors
from cloud.render.anchors import AnchorError, read_anchors


def test_a_picture_is_rgb_and_named_by_the_hash_of_its_file(tmp_path: Path) -> None:
    picture = np.zeros((6, 8, 3), np.uint8)
    picture[:, :4, 0] = 255
    path, other = tmp_path / "yard.png", tmp_path / "grey.png"
    assert cv2.imwrite(str(path), picture[..., ::-1])
    assert cv2.imwrite(str(other), np.full((2, 2), 77, np.uint8))
    read = read_anchors([path, other])
    assert np.array_equal(read.pictures[0], picture)
    assert read.sha256s[0] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert read.pictures[1].tolist() == np.full((2, 2, 3), 77).tolist()
    assert len(set(read.sha256s)) == 2


def test_no_anchors_are_no_anchors() -> None:
    assert read_anchors([]).sha256s == read_anchors([]).pictures == ()


@pytest.mark.parametrize("content", [b"", b"a picture", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_what_is_no_picture_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "yard.jpg"
    path.write_bytes(content)
    with pytest.raises(AnchorError, match=r"yard\.jpg: no picture"):
        read_anchors([path])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnchorError, match=r"yard\.jpg: No such file"):
        read_anchors([tmp_path / "yard.jpg"])
    with pytest.raises(AnchorError, match="Is a directory"):
        read_anchors([tmp_path])


def test_a_picture_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "yard.png"
    assert cv2.imwrite(str(path), np.zeros((3, 5, 3), np.uint8))
    monkeypatch.setattr(anchors, "MAX_PIXELS", 14)
    with pytest.raises(AnchorError, match=r"yard\.png: 5x3 pixels, limit is 14"):
        read_anchors([path])
    monkeypatch.setattr(anchors, "MAX_BYTES", 10)
    with pytest.raises(AnchorError, match=r"yard\.png: [0-9]+ bytes, limit is 10"):
        read_anchors([path])
