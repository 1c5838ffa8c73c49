"""Commands in README and docs: each exists, with every option that is named."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from mirage.cli import app
from tests.conftest import ROOT

PAGES = ("README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
_COMMAND = re.compile(r"^    (mirage [a-z].*)$|`(mirage [^`]+)`")


def commands() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for line in (ROOT / page).read_text("utf-8").splitlines():
            found += [(page, block or inline) for block, inline in _COMMAND.findall(line)]
    return found


def parsed(line: str) -> tuple[list[str], list[str]]:
    """Give the words before the first option or path, and all options."""
    words = shlex.split(re.split("  #| > ", line, maxsplit=1)[0].replace("…", ""))[1:]
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


def test_pages_show_commands() -> None:
    assert len(commands()) > 20
    assert {Path(page).name for page, _ in commands()} >= {"README.md", "bundles.md", "performance.md"}
