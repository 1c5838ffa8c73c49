"""A worker process that renders nothing: it takes jobs and closes them, for as long as there are any.

python -m mirage.bench.cloud.drain URL     waits for a line on stdin; prints how many, and milliseconds each
"""

import json
import sys
import time

from cloud import leases
from cloud.candidates import Wish
from cloud.lanes import is_fair
from cloud.leases import database_ms
from cloud.store import Store
from mirage.output import print_line


def main(url: str) -> None:
    """Drain a queue."""
    store = Store(url)
    print_line("ready")
    sys.stdin.readline()
    took_ms = list[float]()
    while (one := _one(store, len(took_ms))) is not None:
        took_ms.append(one)
    store.close()
    print_line(json.dumps(took_ms))


def _one(store: Store, count: int) -> float | None:
    """Take one job and close it: two transactions, both on disk; give milliseconds, or None without a job."""
    started_s = time.perf_counter()
    with store.write() as session:
        lease = leases.take(session, "bench", database_ms(session), Wish(fair=is_fair(count)))
    if lease is None:
        return None
    with store.write() as session:
        leases.finish(session, lease, database_ms(session), "0" * 64)
    return (time.perf_counter() - started_s) * 1000


if __name__ == "__main__":
    main(sys.argv[1])
