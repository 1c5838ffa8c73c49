"""Command lines of images, services and pods: whether `mirage` would take them."""

from collections.abc import Sequence
from pathlib import Path

from typer.core import TyperGroup
from typer.main import get_command

from mirage import cloud_commands


class NoCommandError(Exception):
    """There is no such command."""


def understood(words: Sequence[str], config: Path) -> str:
    """Parse `mirage cloud ...` without running it, its --config being `config`; gives the command's path.

    Raises NoCommandError, or the command line's own error for options that it would not take.
    """
    assert list(words[:2]) == ["mirage", "cloud"]
    command, rest = get_command(cloud_commands.app), [_with(word, config) for word in words[2:]]
    path = ["cloud"]
    while isinstance(command, TyperGroup):
        if rest[0] not in command.commands:
            raise NoCommandError(f"{rest[0]!r} in {' '.join(words)}")
        path.append(rest.pop(0))
        command = command.commands[path[-1]]
    command.make_context(path[-1], rest)
    return " ".join(path)


def is_command(*path: str) -> bool:
    """Tell whether `mirage cloud PATH...` is a command."""
    command = get_command(cloud_commands.app)
    for name in path:
        if not isinstance(command, TyperGroup) or name not in command.commands:
            return False
        command = command.commands[name]
    return not isinstance(command, TyperGroup)


def config_of(words: Sequence[str]) -> str | None:
    """Give the file that --config names."""
    for position, word in enumerate(words):
        if word == "--config":
            return words[position + 1]
        if word.startswith("--config="):
            return word.partition("=")[2]
    return None


def _with(word: str, config: Path) -> str:
    return f"--config={config}" if word.startswith("--config=") else word
