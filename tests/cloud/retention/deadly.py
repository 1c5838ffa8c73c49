"""Prunes a store in a process that dies by SIGKILL between rows and objects.

python -m tests.cloud.retention.deadly STORE-URL OBJECTS NOW_MS
"""

import sys
from collections.abc import Collection

from cloud.config import Retention
from cloud.objects import Objects
from cloud.retention.pruner import Pruner
from cloud.store import Store
from tests.cloud.crashing import die


class DeadlyObjects(Objects):
    """Dies when it is to remove something."""

    def remove(self, keys: Collection[str]) -> None:
        die()
        super().remove(keys)


def main(url: str, folder: str, now_ms: str) -> None:
    limits = Retention(packets_days=1, clips_days=1)
    Pruner(Store(url), DeadlyObjects(folder), limits).prune(int(now_ms))


if __name__ == "__main__":
    main(*sys.argv[1:])
