"""Nothing of a release lies, or leads, outside of its tree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.release.paths import PathError, check_link, check_path, check_paths


@pytest.mark.parametrize(
    "path", ["a", "a/b.c", ".a/..b/c..", "lib/x y/-z", "a" * 255, "lib/@#$%+=~[]{}(),;'!&^`\"<>|?*"]
)
def test_plain_paths_are_taken(path: str) -> None:
    check_path(path)


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/etc/passwd", "..", ".", "../a", "a/..", "a/../b", "a/./b", "a//b", "a/", "./a"),
        *("a\\b", "..\\a", "C:a", "a\0b", "a\nb", "a\x7f", "a ", "a/ ", "ä", "a\u202eb", "\ud800", "a" * 256),
        "/".join(["a" * 100] * 6),
    ],
)
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(PathError):
        check_path(path)


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        (["b", "a"], "not sorted"),
        (["a", "a"], "there twice"),
        (["A", "a"], "where another one is"),
        (["a", "a/b"], "where another one is"),
        (["A/b", "a"], "where another one is"),
        (["A/b", "a/c"], "spelled in two ways"),
        (["x/A/b", "x/a/c"], "spelled in two ways"),
    ],
)
def test_no_two_are_in_one_place(paths: list[str], reason: str) -> None:
    with pytest.raises(PathError, match=reason):
        check_paths(paths)


def test_folders_may_hold_many() -> None:
    check_paths(["a/b/c", "a/b/d", "a/e", "b"])


@pytest.mark.parametrize(
    ("path", "link"), [("l", "a"), ("x/l", "../a"), ("x/y/l", "../../x/b"), ("x/l", "b")]
)
def test_links_lead_to_files(path: str, link: str) -> None:
    check_link(path, link, {"a", "x/b"}, is_agent=False)


@pytest.mark.parametrize(
    ("path", "link"),
    [
        *(
            ("l", "../a"),
            ("l", "/a"),
            ("l", "/etc/passwd"),
            ("l", "x"),
            ("l", ""),
            ("l", "."),
            ("x/l", "../../a"),
        ),
        *(("l", "x/../a"), ("x/l", "../x/../a"), ("l", "./a"), ("l", "a/"), ("l", "//usr/bin/python3")),
        ("bin/python", "/usr/bin/python"),
        ("bin/python3", "/usr/bin/python3"),
    ],
)
def test_other_links_are_refused(path: str, link: str) -> None:
    with pytest.raises(PathError):
        check_link(path, link, {"a", "x/b"}, is_agent=True)


def test_an_agent_alone_leads_to_the_systems_python() -> None:
    check_link("bin/python", "/usr/bin/python3", set(), is_agent=True)
    with pytest.raises(PathError):
        check_link("bin/python", "/usr/bin/python3", set(), is_agent=False)


@given(st.text(max_size=30))
def test_what_is_taken_stays_below_the_root(path: str) -> None:
    try:
        check_path(path)
    except PathError:
        return
    assert not path.startswith("/")
    assert not {"", ".", ".."} & set(path.split("/"))
    assert path.isascii()
    assert path.isprintable()
