"""What the demo found out: report.json, and the tables on the screen."""

from collections.abc import Iterator, Sequence

import msgspec

from mirage.decode import Decoded
from mirage.demo.cost import WireCost, birth_bytes, cost_table, mqtt_bytes
from mirage.ledger import Row, ledger_table
from mirage.output import print_tables
from mirage.reports import Encoded, Source


class DemoReport(msgspec.Struct, frozen=True):
    """report.json: the keys of `encode` and `decode`, then what only the whole system shows.

    `mqtt_bytes` is everything between edge and broker in both directions, `birth_bytes` included,
    as a proxy counted it at MQTT level; `timeline` has one entry per packet.
    """

    source: Source
    segments: int
    still_segments: int
    packet_bytes: int
    layers: dict[str, int]
    ratio: float
    encode_s: float
    realtime_factor: float

    frames: int
    fps: float
    width: int
    height: int
    render_s: float
    render_s_per_segment: float

    mqtt_bytes: int
    birth_bytes: int
    ratio_on_wire: float
    mqtt: tuple[WireCost, ...]
    agent_peak_rss_bytes: int
    software: str
    bundle: str
    bundle_sha256: str
    timeline: tuple[Row, ...]


def demo_report(
    encoded: Encoded,
    decoded: Decoded,
    costs: tuple[WireCost, ...],
    timeline: Sequence[Row],
    agent_peak_rss_bytes: int,
    maker: "Maker",
) -> DemoReport:
    """Put the parts together."""
    on_wire = mqtt_bytes(costs)
    return DemoReport(
        **msgspec.structs.asdict(encoded),
        **msgspec.structs.asdict(decoded),
        mqtt_bytes=on_wire,
        birth_bytes=birth_bytes(costs),
        ratio_on_wire=encoded.source.raw_bytes / max(on_wire, 1),
        mqtt=costs,
        agent_peak_rss_bytes=agent_peak_rss_bytes,
        software=maker.software,
        bundle=maker.bundle,
        bundle_sha256=maker.bundle_sha256,
        timeline=tuple(timeline),
    )


class Maker(msgspec.Struct, frozen=True):
    """By what a clip was made."""

    software: str
    bundle: str
    bundle_sha256: str


def show(report: DemoReport, name: str) -> None:
    """Print the tables and the numbers that matter."""
    source = report.source
    size = f"{source.width}x{source.height}, {source.fps:g} fps, {source.duration_s:.2f} s"
    print_tables(
        f"{name}: {size}",
        ledger_table(report.timeline),
        "MQTT between edge and broker, every byte",
        cost_table(report.mqtt),
        *_summary(report),
    )


def _summary(report: DemoReport) -> Iterator[str]:
    yield f"raw video    {report.source.raw_bytes:>13,} bytes"
    yield f"packets      {report.packet_bytes:>13,} bytes   {report.ratio:>11,.0f} times fewer"
    on_wire = f"{report.ratio_on_wire:>11,.0f} times fewer (birth alone: {report.birth_bytes:,} bytes)"
    yield f"all of MQTT  {report.mqtt_bytes:>13,} bytes   {on_wire}"
    memory = f"{report.agent_peak_rss_bytes / 1e6:.0f} MB"
    yield f"edge   {report.encode_s:.2f} s, {report.realtime_factor:.1f} times real time, {memory} of memory"
    frames = f"{report.frames} frames, {report.width}x{report.height} at {report.fps:g} fps"
    yield f"cloud  {report.render_s:.2f} s, {report.render_s_per_segment:.2f} s per segment, {frames}"
