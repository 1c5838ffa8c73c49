"""Tasks that need nothing loaded, for a crew of processes."""

import os

from mirage.bench.quality.work import Desk


def doubled(desk: Desk, task: int) -> int:  # noqa: ARG001 -- tasks are called alike
    return 2 * task


def dies(desk: Desk, task: int) -> int:  # noqa: ARG001 -- tasks are called alike
    os._exit(task)
