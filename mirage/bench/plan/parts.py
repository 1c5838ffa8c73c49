"""Which part breaks first, and what replaces it. Pure.

    headroom = what one unit can do x busy / what is asked of it        below 1 it breaks

A unit is one process on a machine like the one that was measured; a database is one server. All demands
grow with the cameras, so cameras x headroom is how many a unit carries.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec import Struct

from mirage.bench.plan.figures import Figures, Values


@dataclass(frozen=True, slots=True)
class Kind:
    """A part: `capacity` of one unit from the figures' values, and what to do when one unit is too little.

    One with a `store` is there only where that database is used.
    """

    name: str
    store: str | None
    unit: str
    demand: str
    capacity: Callable[[Values], float]
    formula: str
    replacement: str


class Part(Struct, frozen=True):
    """A part under a load. `cameras_of_one` is what a unit carries, `units` are how many that takes."""

    name: str
    store: str | None
    unit: str
    needs: float
    capacity: float
    units: int
    headroom: float
    cameras_of_one: float
    formula: str
    replacement: str


SQLITE, POSTGRESQL = STORES = ("SQLite", "PostgreSQL")

_MORE_INGEST = "several in one `$share` group, on PostgreSQL: on SQLite one process writes at a time"
_PARTITIONED = "PostgreSQL partitioned by time, then one database for each group of tenants"

KINDS: Sequence[Kind] = (
    Kind(
        "broker", None, "Mosquitto, one thread", "broker_messages_per_s",
        lambda v: v.busy / v.broker_cpu_s_per_message, "busy / broker_cpu_s_per_message",
        "one Mosquitto for each group of tenants, or an EMQX cluster",
    ),
    Kind(
        "ingest, SQLite", SQLITE, "process", "peak_packets_per_s",
        lambda v: v.busy * v.ingest_packets_per_s_sqlite, "busy x ingest_packets_per_s_sqlite",
        _MORE_INGEST,
    ),
    Kind(
        "ingest, PostgreSQL", POSTGRESQL, "process", "peak_packets_per_s",
        lambda v: v.busy * v.ingest_packets_per_s_postgresql, "busy x ingest_packets_per_s_postgresql",
        "more processes in one `$share` group, until the database is full",
    ),
    Kind(
        "captions, SQLite", SQLITE, "process", "peak_packets_per_s",
        lambda v: v.busy * v.derive_packets_per_s_sqlite, "busy x derive_packets_per_s_sqlite",
        "`mirage cloud derive` beside ingest; on SQLite all share one writer",
    ),
    Kind(
        "captions, PostgreSQL", POSTGRESQL, "process", "peak_packets_per_s",
        lambda v: v.busy * v.derive_packets_per_s_postgresql, "busy x derive_packets_per_s_postgresql",
        "more `mirage cloud derive`, until the database is full",
    ),
    Kind(
        "commits, SQLite", SQLITE, "file", "commits_per_s",
        lambda v: v.busy * 1000 / v.commit_ms_sqlite, "busy x 1000 / commit_ms_sqlite",
        "PostgreSQL, where commits of several processes share a flush",
    ),
    Kind(
        "commits, PostgreSQL", POSTGRESQL, "server, one commit after another", "commits_per_s",
        lambda v: v.busy * 1000 / v.commit_ms_postgresql, "busy x 1000 / commit_ms_postgresql",
        _PARTITIONED,
    ),
    Kind(
        "space, SQLite", SQLITE, "file on this disk", "database_gb_sqlite",
        lambda v: v.disk_gb, "disk_gb", "PostgreSQL on a larger disk",
    ),
    Kind(
        "space, PostgreSQL", POSTGRESQL, "server with this disk", "database_gb_postgresql",
        lambda v: v.disk_gb, "disk_gb", _PARTITIONED,
    ),
    Kind(
        "jobs, SQLite", SQLITE, "queue", "jobs_per_s",
        lambda v: v.busy * v.queue_jobs_per_s_sqlite, "busy x queue_jobs_per_s_sqlite", "PostgreSQL",
    ),
    Kind(
        "jobs, PostgreSQL", POSTGRESQL, "queue", "jobs_per_s",
        lambda v: v.busy * v.queue_jobs_per_s_postgresql, "busy x queue_jobs_per_s_postgresql",
        "a database, and so a queue, for each group of tenants",
    ),
    Kind(
        "rendering, shipped renderer", None, "core", "rendered_s_per_s",
        lambda v: v.busy / v.render_core_s_per_clip_s, "busy / render_core_s_per_clip_s",
        "`mirage cloud render` on more machines, or Ray on Kubernetes (KubeRay)",
    ),
    Kind(
        "rendering, GPU", None, "GPU", "rendered_s_per_s",
        lambda v: v.busy / v.gpu_s_per_clip_s, "busy / gpu_s_per_clip_s",
        "Ray actors on more GPUs (KubeRay)",
    ),
)  # fmt: skip


def parts(cameras: int, wanted: Figures, given: Figures, units: Figures) -> list[Part]:
    """Give all parts that are used and whose figures are known, the one that breaks first coming first."""
    values = Values({**given, **units})
    found = list[Part]()
    for kind in KINDS:
        try:
            capacity, needs = kind.capacity(values), wanted[kind.demand].value
        except KeyError:
            continue
        if not needs:
            continue  # nothing is asked of it
        headroom = capacity / needs
        found.append(
            Part(
                kind.name,
                kind.store,
                kind.unit,
                needs,
                capacity,
                math.ceil(needs / capacity),
                headroom,
                cameras * headroom,
                f"{kind.formula} / {kind.demand}",
                kind.replacement,
            )
        )
    return sorted(found, key=lambda part: part.headroom)


def breaking(found: Sequence[Part], store: str) -> list[str]:
    """Name the parts of which one unit is too little, with this database; the first to break first."""
    return [part.name for part in found if part.store in (None, store) and part.headroom < 1]
