"""What the demo found out: report.json, and the tables on the screen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from mirage.decode import Rendered
from mirage.demo.client import SegmentView
from mirage.demo.cost import WireCost, birth_bytes, cost_table, mqtt_bytes, wire_costs
from mirage.demo.meter import Totals
from mirage.demo.summary import AgentSummary
from mirage.ledger import Row, ledger_table
from mirage.output import print_tables
from mirage.reports import Encoded, Source, encoded_report, source_report
from mirage.version import SOFTWARE
from wire.bundle import Bundle
from wire.spent import HEADER, TRANSPORT

_ROUNDING = 0.05  # of the rate that whole segments have


class DemoReport(Encoded, frozen=True):
    """report.json: the keys of `encode` and `decode`, then what only the whole system shows.

    `mqtt_bytes` is everything between edge and broker in both directions, `birth_bytes` included,
    as a proxy counted it at MQTT level; `sent_bytes` is what the agent's own ledger says that it sent, by
    kind, of which transport is an estimate; `timeline` has one entry per packet.
    """

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
    sent_bytes: Mapping[str, int]
    agent_peak_rss_bytes: int
    software: str
    bundle: str
    bundle_sha256: str
    timeline: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """What the parts of the demo have to say once all clips are there. `segments` are in order."""

    agent: AgentSummary
    segments: Sequence[SegmentView]
    agent_peak_rss_bytes: int
    mqtt: Totals


def demo_report(finished: Finished, bundle: Bundle) -> DemoReport:
    """Put the parts together."""
    costs = wire_costs(finished.mqtt)
    timeline = _timeline(finished)
    encoded = _encoded(finished, timeline)
    return DemoReport(
        **msgspec.structs.asdict(encoded),
        **msgspec.structs.asdict(_rendered(finished, encoded.source)),
        mqtt_bytes=mqtt_bytes(costs),
        birth_bytes=birth_bytes(costs),
        ratio_on_wire=encoded.source.raw_bytes / max(mqtt_bytes(costs), 1),
        mqtt=costs,
        sent_bytes=finished.agent.sent_bytes,
        agent_peak_rss_bytes=finished.agent_peak_rss_bytes,
        software=SOFTWARE,
        bundle=bundle.manifest.name,
        bundle_sha256=bundle.sha256,
        timeline=timeline,
    )


def _timeline(finished: Finished) -> tuple[Row, ...]:
    encode_ms = {part.sequence: sum(part.timings_ms.values()) for part in finished.agent.segments}
    zero_ms = min((segment.start_ms for segment in finished.segments), default=0)
    return tuple(
        Row(
            segment.sequence,
            (segment.start_ms - zero_ms) / 1000,
            segment.duration_ms / 1000,
            segment.caption or "",
            segment.still,
            {name: size for name, size in segment.layers.items() if name != HEADER},
            segment.bytes,
            encode_ms.get(segment.sequence, 0.0),  # the agent remembers the last few hundred
            0.0 if segment.clip is None else segment.clip.render_ms,
        )
        for segment in finished.segments
    )


def _encoded(finished: Finished, timeline: Sequence[Row]) -> Encoded:
    camera = finished.agent.cameras[0]
    duration_s = sum(row.duration_s for row in timeline)
    source = source_report(camera.width, camera.height, camera.fps, camera.frames, duration_s)
    return encoded_report(
        source,
        [row.layers for row in timeline],
        sum(row.still for row in timeline),
        sum(row.packet_bytes for row in timeline),
        finished.agent.encode_s,
    )


def _rendered(finished: Finished, source: Source) -> Rendered:
    clips = [segment.clip for segment in finished.segments if segment.clip is not None]
    width, height = (clips[0].width, clips[0].height) if clips else (0, 0)
    render_s = sum(clip.render_ms for clip in clips) / 1000
    frames = sum(clip.frames for clip in clips)
    fps, rate = source.fps, frames / max(source.duration_s, 0.001)
    if abs(rate / fps - 1) > _ROUNDING:  # the receiver asked for another
        fps = round(rate, 1)
    return Rendered(frames, fps, width, height, render_s, render_s / max(len(clips), 1))


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
    sent = sum(size for kind, size in report.sent_bytes.items() if kind != TRANSPORT)
    around = report.sent_bytes.get(TRANSPORT, 0)
    yield f"edge sent    {sent:>13,} bytes by its ledger, and about {around:,} of TCP/IP around them"
    yield f"edge   {report.encode_s:.2f} s, {report.realtime_factor:.1f} times real time, {memory} of memory"
    frames = f"{report.frames} frames, {report.width}x{report.height} at {report.fps:g} fps"
    yield f"cloud  {report.render_s:.2f} s, {report.render_s_per_segment:.2f} s per segment, {frames}"
