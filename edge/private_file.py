"""A file that is nobody else's business."""

import os
from pathlib import Path

import structlog

log = structlog.get_logger()


def keep_private(path: Path) -> None:
    """Let nobody else read what is not sealed yet; SQLite gives its other files the same mode."""
    if str(path) == ":memory:" or path.is_dir():
        return
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        path.chmod(0o600)  # of a former version
    except OSError as error:
        log.warning("others may read a file", path=str(path), reason=str(error))
