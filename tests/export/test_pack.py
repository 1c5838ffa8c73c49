"""A pack of footage: smaller, the same for the same folder, and as good to train from."""

import tarfile
from pathlib import Path

import cv2
import pytest

from export.data import footage
from export.data.pack import PackError, opened, write_pack

SHORT_PX = 48


def test_what_a_pack_unpacks_to_is_read_like_the_folder(footage_folder: Path, tmp_path: Path) -> None:
    write_pack(footage_folder, tmp_path / "pack.tar", SHORT_PX)
    folder = opened(tmp_path / "pack.tar", tmp_path / "work")
    assert [p.name for p in footage.photos(folder)] == [p.name for p in footage.photos(footage_folder)]
    assert [c.text for c in footage.clip_captions(folder)] == [
        c.text for c in footage.clip_captions(footage_folder)
    ]
    assert all(path.exists() for path in footage.photo_captions(folder))
    for small, large in zip(footage.clips(folder), footage.clips(footage_folder), strict=True):
        frames, wanted = (list(footage.read_frames(path, 999, 12)) for path in (small, large))
        assert len(frames) == len(wanted)
        assert frames[0][1].shape == (SHORT_PX, 64, 3)
        goal = cv2.resize(wanted[5][1], (64, SHORT_PX), interpolation=cv2.INTER_AREA)
        assert cv2.PSNR(frames[5][1], goal) > 20  # as against 9 for another frame


def test_a_pack_is_unpacked_once(footage_folder: Path, tmp_path: Path) -> None:
    write_pack(footage_folder, tmp_path / "pack.tar", SHORT_PX)
    first = opened(tmp_path / "pack.tar", tmp_path / "work")
    (first / "note").touch()
    assert opened(tmp_path / "pack.tar", tmp_path / "work") == first
    assert (first / "note").exists()


def test_the_same_folder_gives_the_same_pack(footage_folder: Path, tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar"):
        write_pack(footage_folder, tmp_path / name, SHORT_PX)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_a_pack_over_the_limit_is_refused_and_leaves_nothing(footage_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(PackError, match=r"more than 0\.01: try a smaller --short-px than 96"):
        write_pack(footage_folder, tmp_path / "pack.tar", 96, limit_mb=0.01)
    assert not list(tmp_path.iterdir())


def test_a_folder_without_footage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(footage.FootageError, match="no picture or clip"):
        write_pack(tmp_path, tmp_path / "pack.tar")


def test_what_is_no_pack_is_named(tmp_path: Path) -> None:
    (tmp_path / "pack.tar").write_bytes(b"not a tar file")
    with pytest.raises(PackError, match=r"pack\.tar is no pack of footage"):
        opened(tmp_path / "pack.tar", tmp_path / "work")
    assert not list((tmp_path / "work").iterdir())


def test_a_pack_cannot_write_outside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    with tarfile.open(tmp_path / "pack.tar", "w") as archive:
        archive.add(tmp_path / "secret", "../../secret")
    with pytest.raises(PackError, match="no pack of footage"):
        opened(tmp_path / "pack.tar", tmp_path / "work")


def test_a_clip_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "footage").mkdir()
    (tmp_path / "footage" / "broken.mp4").write_bytes(b"no film")
    with pytest.raises(footage.FootageError, match=r"broken\.mp4 cannot be read"):
        write_pack(tmp_path / "footage", tmp_path / "pack.tar")
    assert not (tmp_path / "pack.tar").exists()
