"""`mirage encode`: a video becomes a file of packets, by the same code that the agent runs.

VIDEO -> camera -> segments -> packets -> FILE.mrg, and the ledger of its bytes
"""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from edge.camera import Camera, is_live
from edge.pipeline import Described, Settings, segments, short_side_px
from edge.privacy.guard import Guard
from edge.privacy.model_files import DetectorError
from edge.runtime import Runtime
from mirage.bundles import bundle_folder
from mirage.errors import InputError
from mirage.ledger import Row, layer_bytes, ledger_table
from mirage.output import as_json, check_target, print_line, print_tables, write_whole
from mirage.progress import steps_shown
from mirage.reports import Encoded, encoded_report, source_report
from mirage.version import SOFTWARE
from wire import recording
from wire.bundle import Bundle
from wire.documents import Birth, CameraInfo
from wire.envelope import PlainEnvelope

_CAMERA = "source"


@dataclass(frozen=True, slots=True)
class Encoding:
    """A finished recording and where its bytes went."""

    data: bytes
    report: Encoded
    rows: tuple[Row, ...]


def encode(video: str, bundle: Bundle, settings: Settings, seconds: float | None = None) -> Encoding:
    """Describe a video to its end, or a live source for `seconds`. Raises InputError and CameraError."""
    stop = threading.Event()
    if is_live(video) != (seconds is not None):
        raise InputError(f"{video}: --seconds is needed for a live source, and only there")
    settings = _fitting(settings, live=seconds is not None)
    guard = Guard(settings.sender, bundle, runtime=Runtime(settings.threads))
    camera = guard.open(_CAMERA, video, short_side_px=short_side_px(bundle), stop=stop)
    timer = threading.Timer(seconds or 0, stop.set)
    timer.daemon = True
    started_s = time.perf_counter()
    try:
        if seconds is not None:
            timer.start()
        with steps_shown("describing segments", None) as done:
            described = [_counted(each, done) for each in segments(camera, bundle, settings)]
    finally:
        timer.cancel()
        camera.close()
    if guard.outages(_CAMERA):
        reason = guard.trouble.get(_CAMERA, "redaction failed for some of its frames")
        raise DetectorError(f"{video}: {reason}; nothing was written")
    return _encoding(camera, bundle, described, time.perf_counter() - started_s)


def _fitting(settings: Settings, *, live: bool) -> Settings:
    """Check that anything may be sent. What is in a file was at no hour that is known: hours do not count."""
    if settings.sender.off:
        raise InputError("sender.off is true, so nothing may be encoded: set it to false")
    latency_ms = settings.network.latency_ms or settings.segment_ms
    sender = settings.sender if live else structs.replace(settings.sender, hours=())
    return replace(settings, segment_ms=min(settings.segment_ms, latency_ms), sender=sender)


def main(
    video: str, output: Path, bundle: Path | None, settings: Settings, seconds: float | None, *, json: bool
) -> None:
    """Encode, write and report. Raises what `encode` raises, BundleError and OutputError."""
    check_target(output, Path(video))
    encoding = encode(video, Bundle.load(bundle_folder(bundle), "edge"), settings, seconds)
    write_whole(output, encoding.data)
    if json:
        print_line(as_json(encoding.report))
        return
    report = encoding.report
    title = (
        f"{video}: {report.source.width}x{report.source.height}, {report.source.duration_s:.2f} s, "
        f"{report.source.raw_bytes} raw bytes / {report.packet_bytes} = {report.ratio:,.0f}; "
        f"{report.realtime_factor:.1f} times real time"
    )
    print_tables(title, ledger_table(encoding.rows))


def _counted(described: Described, done: Callable[[], None]) -> Described:
    done()
    return described


def _encoding(camera: Camera, bundle: Bundle, described: Sequence[Described], encode_s: float) -> Encoding:
    envelope = PlainEnvelope()
    frames = [envelope.wrap(bytes(each.packet), "") for each in described]
    info = camera.info
    duration_s = sum(each.packet.duration_ms for each in described) / 1000
    source = source_report(info.width, info.height, info.fps, camera.frames_read, duration_s)
    rows = tuple(_row(each, len(frame)) for each, frame in zip(described, frames, strict=True))
    still = sum(row.still for row in rows)
    return Encoding(
        recording.write(_birth(camera, bundle, frames), frames),
        encoded_report(source, [row.layers for row in rows], still, sum(map(len, frames)), encode_s),
        rows,
    )


def _birth(camera: Camera, bundle: Bundle, frames: Sequence[bytes]) -> Birth:
    # No wall clock and no chance in it: the same video gives the same file.
    boot_id = hashlib.sha256(b"".join(frames)).hexdigest()[:16]
    return Birth(
        device="file",
        boot_id=boot_id,
        boot_wall_ms=0,
        wall_error_ms=0,
        software=SOFTWARE,
        bundle=bundle.manifest.name,
        bundle_sha256=bundle.short_sha256,
        cameras=(CameraInfo(_CAMERA, camera.info.width, camera.info.height, camera.info.fps),),
    )


def _row(described: Described, packet_bytes: int) -> Row:
    packet = described.packet
    return Row(
        packet.sequence,
        packet.captured_ms / 1000,
        packet.duration_ms / 1000,
        described.segment.caption or "",
        packet.still,
        layer_bytes(packet),
        packet_bytes,
        described.timings.total_ms,
    )
