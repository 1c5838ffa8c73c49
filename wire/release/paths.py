"""Where the files of a release may lie: nowhere but below its root, on any file system.

Relative, printable ASCII, no "." or "..", nothing below a file or a link, and no two that differ by case
only. A link leads to a file of the release; bin/python of an agent leads to the system's Python.
"""

import re
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from posixpath import dirname, normpath

MAX_PATH = 512  # characters
PYTHON_LINK = "bin/python"
SYSTEM_PYTHON = "/usr/bin/python3"

# Of one part: no slash, no backslash, no colon (a drive or a stream on Windows), no space at the end.
_PART = re.compile(r"(?!\.{1,2}\Z)[!-.0-9;-\[\]-~ ]{0,254}[!-.0-9;-\[\]-~]")


class PathError(ValueError):
    """A path or link that a release must not have."""


def check_path(path: str) -> None:
    """Raise PathError unless it leads below the root."""
    if len(path) > MAX_PATH:
        raise PathError(f"{path[:40]!r}... is longer than {MAX_PATH} characters")
    if not all(_PART.fullmatch(part) for part in path.split("/")):
        raise PathError(f"{path!r} is no plain relative path")


def check_paths(paths: Sequence[str]) -> None:
    """Raise PathError unless they are sorted, and each is a place of its own on any file system."""
    if list(paths) != sorted(set(paths)):
        raise PathError("paths are not sorted, or one is there twice")
    spelled: dict[str, str] = {}
    for path in paths:
        for folder in _folders(path):
            if spelled.setdefault(folder.casefold() + "/", folder) != folder:
                raise PathError(f"{path!r}: {folder!r} is spelled in two ways")
    taken = {path.casefold(): path for path in paths}
    for path in paths:
        if taken[path.casefold()] != path or path.casefold() + "/" in spelled:
            raise PathError(f"{path!r} is where another one is")


def check_link(path: str, link: str, files: AbstractSet[str], *, is_agent: bool) -> None:
    """Raise PathError unless it leads to one of `files`, or is the one to the system's Python."""
    if is_agent and (path, link) == (PYTHON_LINK, SYSTEM_PYTHON):
        return
    if normpath(f"{dirname(path)}/{link}".lstrip("/")) not in files or link.startswith("/"):
        raise PathError(f"{path!r}: link to {link[:80]!r} leads to no file of the release")
    ups = [part == ".." for part in link.split("/")]
    if ups != sorted(ups, reverse=True) or normpath(link) != link:
        raise PathError(f"{path!r}: link to {link[:80]!r} is not written in its one form")


def _folders(path: str) -> Iterable[str]:
    while path := dirname(path):
        yield path
