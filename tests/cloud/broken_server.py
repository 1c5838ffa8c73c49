"""Runs the cloud of a settings file in a process of its own, in which a page and a route fail inside.

Usage: python -m tests.cloud.broken_server cloud.toml; ends when its standard input does.
"""

from typing import NoReturn

import pytest

from cloud.page.jobs import JobsView
from cloud.viewing import Viewing
from mirage.log import log_to_stderr
from tests.cloud import serve_only

INSIDE = "the vault is behind the third door"


class VaultError(RuntimeError):
    """Something of the inside."""


def fail(*_args: object) -> NoReturn:
    raise VaultError(INSIDE)


def main() -> None:
    log_to_stderr(verbose=False)
    patch = pytest.MonkeyPatch()
    patch.setattr(JobsView, "__init__", fail)
    patch.setattr(Viewing, "devices", fail)
    serve_only.main()


if __name__ == "__main__":
    main()
