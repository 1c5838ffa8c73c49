"""Numbers that say where they come from; nothing is computed with any other.

measured   by this command here, or by a benchmark whose JSON was given (`how` names it)
given      by the user, or a default of an option that is a choice and no measurement
derived    from the others; `how` is the formula
"""

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct


class Source(str, Enum):
    """Where a number comes from."""

    MEASURED = "measured"
    GIVEN = "given"
    DERIVED = "derived"


class Figure(Struct, frozen=True):
    """A number, its unit, and where it comes from."""

    value: float
    unit: str
    source: Source
    how: str


Figures = Mapping[str, Figure]

# What one unit of each part does; a plan leaves out what it has no figure for, and says so.
UNITS: Mapping[str, str] = {
    "moving_packets_per_h": "packets/h of a camera",
    "moving_bytes_per_h": "B/h of a camera",
    "still_packets_per_h": "packets/h of a camera",
    "still_bytes_per_h": "B/h of a camera",
    "link_bytes_per_packet": "B/packet of TCP/IP and TLS, upwards",
    "broker_cpu_s_per_message": "core-s/message",
    "broker_bytes_per_connection": "B/connection",
    "ingest_packets_per_s_sqlite": "packets/s of one process",
    "ingest_packets_per_s_postgresql": "packets/s of one process",
    "derive_packets_per_s_sqlite": "packets/s of one process",
    "derive_packets_per_s_postgresql": "packets/s of one process",
    "commit_ms_sqlite": "ms/commit",
    "commit_ms_postgresql": "ms/commit",
    "database_bytes_per_packet_sqlite": "B/packet",
    "database_bytes_per_packet_postgresql": "B/packet",
    "queue_jobs_per_s_sqlite": "jobs/s of all workers",
    "queue_jobs_per_s_postgresql": "jobs/s of all workers",
    "render_core_s_per_clip_s": "core-s/s of video",
    "gpu_s_per_clip_s": "GPU-s/s of video",
    "objects_per_clip": "objects/clip",
    "clip_bytes_per_s": "B/s of video",
}


def measured(name: str, value: float, how: str) -> Figure:
    """Make a figure of `UNITS`."""
    return Figure(value, UNITS[name], Source.MEASURED, how)


def better(name: str, one: Figure, other: Figure) -> Figure:
    """Give the better of two turns: other work on the machine only ever makes a unit look slower."""
    is_rate = name.startswith(("ingest_", "derive_", "queue_"))
    return one if (one.value >= other.value) == is_rate else other


class Values:
    """Numbers by name, as attributes, for formulas; a KeyError where one is not known."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def __getattr__(self, name: str) -> float:
        return self._figures[name].value
