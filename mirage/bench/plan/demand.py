"""What so many cameras ask of each part, from what one camera sends and how it is looked at. Pure.

Each demand is left out where a figure that it takes is not known.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from mirage.bench.plan.figures import Figure, Figures, Source, Values

TELEMETRY_S = 60.0  # edge/watch.py: a record a minute
ACK_S = 5.0  # cloud/config.py: broker.ack_interval_s
STORED_AT_ONCE = 512  # cloud/ingest.py: BATCH
DERIVED_AT_ONCE = 32  # cloud/derivation.py: AT_ONCE
_DAY_S = 86_400
_GB = 1e9


class _Demand(NamedTuple):
    """How a demand is made of figures and of the demands before it."""

    unit: str
    formula: str
    compute: Callable[[Values], float]


def _mix(values: Values, what: str) -> float:
    moving, still = getattr(values, f"moving_{what}_per_h"), getattr(values, f"still_{what}_per_h")
    return float(values.moving * moving + (1 - values.moving) * still)


DEMANDS: Mapping[str, _Demand] = {
    "packets_per_s": _Demand(
        "packets/s, mean",
        "cameras x (moving x moving_packets_per_h + rest x still_packets_per_h) / 3600",
        lambda v: v.cameras * _mix(v, "packets") / 3600,
    ),
    "peak_packets_per_s": _Demand(
        "packets/s, peak", "packets_per_s x peak", lambda v: v.packets_per_s * v.peak
    ),
    "uplink_bytes_per_s": _Demand(
        "B/s of all devices, MQTT",
        "cameras x (moving x moving_bytes_per_h + rest x still_bytes_per_h) / 3600",
        lambda v: v.cameras * _mix(v, "bytes") / 3600,
    ),
    "uplink_gb_per_month": _Demand(
        "GB in 30 days", "uplink_bytes_per_s x 30 days", lambda v: v.uplink_bytes_per_s * 30 * _DAY_S / _GB
    ),
    "link_gb_per_month": _Demand(
        "GB in 30 days with TCP/IP and TLS",
        "(uplink_bytes_per_s + packets_per_s x link_bytes_per_packet) x 30 days",
        lambda v: (v.uplink_bytes_per_s + v.packets_per_s * v.link_bytes_per_packet) * 30 * _DAY_S / _GB,
    ),
    "connections": _Demand(
        "connections of devices", "cameras / cameras_per_device", lambda v: v.cameras / v.cameras_per_device
    ),
    "broker_messages_per_s": _Demand(
        "messages/s taken and delivered, peak",
        f"peak packets x (1 + subscribers) + connections / {TELEMETRY_S:g} s of telemetry"
        f" + an ack for each packet, at most one in {ACK_S:g} s and device",
        lambda v: (
            v.peak_packets_per_s * (1 + v.subscribers)
            + v.connections / TELEMETRY_S
            + min(v.peak_packets_per_s, v.connections / ACK_S)
        ),
    ),
    "broker_memory_gb": _Demand(
        "GB of memory for connections, without TLS",
        "connections x broker_bytes_per_connection",
        lambda v: v.connections * v.broker_bytes_per_connection / _GB,
    ),
    "database_rows": _Demand(
        "rows: packets and segments",
        "2 x packets_per_s x retention_days",
        lambda v: 2 * v.packets_per_s * v.retention_days * _DAY_S,
    ),
    "database_gb_sqlite": _Demand(
        "GB, SQLite",
        "packets_per_s x retention_days x database_bytes_per_packet",
        lambda v: v.packets_per_s * v.retention_days * _DAY_S * v.database_bytes_per_packet_sqlite / _GB,
    ),
    "database_gb_postgresql": _Demand(
        "GB, PostgreSQL",
        "packets_per_s x retention_days x database_bytes_per_packet",
        lambda v: v.packets_per_s * v.retention_days * _DAY_S * v.database_bytes_per_packet_postgresql / _GB,
    ),
    "rendered_s_per_s": _Demand(
        "s of video a second",
        "cameras x (events + watched x moving): what does not move is not rendered again",
        lambda v: v.cameras * (v.events + v.watched * v.moving),
    ),
    "jobs_per_s": _Demand(
        "jobs/s",
        "rendered_s_per_s x moving_packets_per_h / 3600",
        lambda v: v.rendered_s_per_s * v.moving_packets_per_h / 3600,
    ),
    "commits_per_s": _Demand(
        "commits/s at least, peak; each waits for the disk",
        f"peak packets x (1 / {STORED_AT_ONCE} stored at once + 2 / {DERIVED_AT_ONCE} derived at once)"
        " + 2 x jobs_per_s",
        lambda v: v.peak_packets_per_s * (1 / STORED_AT_ONCE + 2 / DERIVED_AT_ONCE) + 2 * v.jobs_per_s,
    ),
    "render_cores": _Demand(
        "cores, shipped renderer",
        "rendered_s_per_s x render_core_s_per_clip_s / busy",
        lambda v: v.rendered_s_per_s * v.render_core_s_per_clip_s / v.busy,
    ),
    "render_gpus": _Demand(
        "GPUs",
        "rendered_s_per_s x gpu_s_per_clip_s / busy",
        lambda v: v.rendered_s_per_s * v.gpu_s_per_clip_s / v.busy,
    ),
    "server_cores": _Demand(
        "cores of broker, ingest and captions, peak; the database's are not known",
        "(broker messages x broker_cpu_s_per_message"
        " + peak packets / ingest_packets_per_s + peak packets / derive_packets_per_s, PostgreSQL) / busy",
        lambda v: (
            v.broker_messages_per_s * v.broker_cpu_s_per_message
            + v.peak_packets_per_s / v.ingest_packets_per_s_postgresql
            + v.peak_packets_per_s / v.derive_packets_per_s_postgresql
        ) / v.busy,
    ),
    "objects_written_per_s": _Demand(
        "objects/s", "jobs_per_s x objects_per_clip", lambda v: v.jobs_per_s * v.objects_per_clip
    ),
    "object_gb": _Demand(
        "GB of clips",
        "rendered_s_per_s x clip_days x clip_bytes_per_s",
        lambda v: v.rendered_s_per_s * v.clip_days * _DAY_S * v.clip_bytes_per_s / _GB,
    ),
}  # fmt: skip


def demands(cameras: int, given: Figures, units: Figures) -> dict[str, Figure]:
    """Give what `cameras` cameras ask for, where fleet and units are as these figures say."""
    found = dict(given) | dict(units)
    found["cameras"] = Figure(cameras, "cameras", Source.GIVEN, "option --cameras")
    values = Values(found)
    made = dict[str, Figure]()
    for name, demand in DEMANDS.items():
        try:
            value = demand.compute(values)
        except KeyError:
            continue
        made[name] = found[name] = Figure(value, demand.unit, Source.DERIVED, demand.formula)
    return made
