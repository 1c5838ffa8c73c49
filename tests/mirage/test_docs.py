"""Commands in README and docs: each exists, with every option that is named. Links lead somewhere."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand as Command
from typer.core import TyperGroup

from mirage.cli import app
from tests.conftest import ROOT

PAGES = ("README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
_COMMAND = re.compile(r"^    (mirage [a-z].*)$|`(mirage [^`]+)`")


def each_command(command: object, *path: str) -> Iterator[tuple[str, Command]]:
    if isinstance(command, TyperGroup):
        for name in command.list_commands(typer.Context(command)):
            yield from each_command(command.get_command(typer.Context(command), name), *path, name)
    elif isinstance(command, Command):
        yield " ".join(path), command


ALL = dict(each_command(typer.main.get_command(app), "mirage"))


def commands() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for line in (ROOT / page).read_text("utf-8").splitlines():
            found += [(page, block or inline) for block, inline in _COMMAND.findall(line)]
    return found


def parsed(line: str) -> tuple[list[str], list[str]]:
    """Give the words before the first option or path, and all options."""
    words = shlex.split(re.split(r"  #| [>|] ", line, maxsplit=1)[0].replace("…", ""))[1:]
    return words, [word for word in words if word.startswith("-")]


@pytest.mark.parametrize(("page", "line"), commands())
def test_a_command_that_is_shown_exists(page: str, line: str) -> None:
    words, options = parsed(line)
    command = typer.main.get_command(app)
    while isinstance(command, TyperGroup) and words and words[0].isalpha() and words[0].islower():
        found = command.get_command(typer.Context(command), words[0])
        assert found is not None, f"{page}: {line!r}: there is no {words[0]!r}"
        command, words = found, words[1:]
    if isinstance(command, TyperGroup):
        return  # a group by its name, or several commands at once
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    for option in options:
        assert option.split("=")[0] in known | {"--help"}, f"{page}: {line!r}: there is no option {option}"


@pytest.mark.parametrize("name", ALL)
def test_help_has_an_example_and_loses_no_word(name: str) -> None:
    command = ALL[name]
    told = [
        command.help or "",
        command.epilog or "",
        *(getattr(each, "help", None) or "" for each in command.params),
    ]
    assert f"{name} " in " ".join(" ".join(told[:2]).split()), "no example"
    # Typer takes [word] in a text for markup, and shows nothing of it.
    assert [text for text in told if re.search(r"(?<!\\)\[/?[a-z_.]+\]", text)] == []


def anchors(page: Path) -> set[str]:
    """Name a page's headings as GitHub does: small letters, digits, dashes; a second of a name gets -1."""
    found = list[str]()
    for line in re.sub(r"(?ms)^```.*?^```", "", page.read_text("utf-8")).splitlines():
        if heading := re.fullmatch(r"#{1,6} (.+)", line):
            words = re.sub(r"[^\w\- ]", "", heading[1].strip().lower()).replace(" ", "-")
            found.append(words if words not in found else f"{words}-{found.count(words)}")
    return set(found)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings_that_there_are(page: str) -> None:
    links = re.findall(r"\]\(([^()\s]+)\)", (ROOT / page).read_text("utf-8"))
    for target in (link for link in links if not re.match(r"[a-z]+:", link)):
        name, _, anchor = target.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        assert file.exists(), f"{page}: {target}"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{page}: {target}"


def test_no_page_is_longer_than_one_reads() -> None:
    lines = {page: (ROOT / page).read_text("utf-8").count("\n") for page in PAGES}
    assert {page: count for page, count in lines.items() if count > 400} == {}


def test_pages_show_commands() -> None:
    assert len(commands()) > 20
    assert {Path(page).name for page, _ in commands()} >= {"README.md", "bundles.md", "performance.md"}
