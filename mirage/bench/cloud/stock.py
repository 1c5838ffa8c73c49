"""Stores to measure: filled with jobs for nothing, with the packets of a recording, or as ingest would."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
from sqlalchemy import insert
from sqlalchemy.orm import Session

from cloud import intake, jobs
from cloud.bundles import Bundles
from cloud.clock import wall_ms
from cloud.derivation import Derivation
from cloud.lanes import Lane
from cloud.schema import BootRow, CameraRow, DeviceRow, JobRow, PacketRow, SegmentRow
from cloud.store import Store
from mirage.bench.cloud.device import reel
from mirage.bench.ingest_load import CAPTIONS
from mirage.recordings import Opened
from wire import documents
from wire.envelope import KEY_BYTES, SealedEnvelope
from wire.packet import Layer, Packet
from wire.topics import DeviceTopics

BEGAN_MS = 1_790_000_000_000
SEGMENT_MS = 2_000
CAMERAS = 16
_AT_ONCE = 20_000
_TOPIC = DeviceTopics("bench", "bench", "bench").sem("bench")


def fill_with_jobs(store: Store, count: int, cameras: int) -> None:
    """Queue `count` jobs of packets that say nothing, of `cameras` in turn."""
    with store.write() as session:
        device = _device(session)
        boot_id = _boot(session, device, 0, None)
        camera_ids = [_camera(session, device, f"cam-{number}") for number in range(cameras)]
        rows = [
            _packet(boot_id, camera_ids[number % cameras], number, b"\0", refresh=True)
            for number in range(count)
        ]
        packet_ids = session.scalars(insert(PacketRow).returning(PacketRow.id), rows).all()
        session.execute(insert(JobRow), _jobs(packet_ids, wall_ms()))


def fill_with_captions(store: Store, count: int, texts: Sequence[str]) -> None:
    """Store `count` segments that say one of `texts` each, of 16 cameras in turn, without their content."""
    random = np.random.default_rng(0)
    with store.write() as session:
        device = _device(session)
        boot_id = _boot(session, device, 0, None)
        camera_ids = [_camera(session, device, f"cam-{number}") for number in range(CAMERAS)]
    for first in range(0, count, _AT_ONCE):
        numbers = range(first, min(first + _AT_ONCE, count))
        cameras = [camera_ids[number % CAMERAS] for number in numbers]
        chosen = random.integers(len(texts), size=len(numbers))
        with store.write() as session:
            packets = [
                _packet(boot_id, camera_id, number, b"\0", refresh=True) | {"id": number + 1}
                for number, camera_id in zip(numbers, cameras, strict=True)
            ]
            session.connection().execute(insert(PacketRow), packets)
            segments = [
                _segment(number, camera_id, texts[text])
                for number, camera_id, text in zip(numbers, cameras, chosen, strict=True)
            ]
            session.connection().execute(insert(SegmentRow), segments)


def _segment(number: int, camera_id: int, caption: str) -> dict[str, int | str | None]:
    return {
        "packet_id": number + 1, "camera_id": camera_id, "caption": caption, "fault": None, "layers": "{}",
        "start_ms": BEGAN_MS + number // CAMERAS * SEGMENT_MS, "duration_ms": SEGMENT_MS, "still": False,
    }  # fmt: skip


def fill_with_recording(store: Store, opened: Opened, copies: int) -> int:
    """Store a recording `copies` times, one after another, and ask for all; give how many jobs.

    As one boot: what is the same clip again would be found, and not rendered.
    """
    recording = opened.recording
    packets = list(islice(reel(opened, 0), copies * len(recording.packets)))
    with store.write() as session:
        device = _device(session)
        camera_id = _camera(session, device, recording.camera.name)
        boot_id = _boot(session, device, 0, documents.encode(recording.birth))
        rows = [
            _packet(boot_id, camera_id, packet.sequence, bytes(packet), refresh=packet.refresh)
            for packet in packets
        ]
        packet_ids = session.scalars(insert(PacketRow).returning(PacketRow.id), rows).all()
        for packet_id in packet_ids:
            jobs.enqueue(session, packet_id, wall_ms())
    return len(packet_ids)


class Fleet:
    """Devices of one camera each, whose packets are stored and derived by the cloud's own code.

    Pictures and motion are those of a recording, captions those of the ingest benchmark.
    """

    def __init__(self, store: Store, opened: Opened) -> None:
        """Make `CAMERAS` devices known to an empty store."""
        self._opened = opened
        self._bundles = Bundles([opened.bundle])
        text = opened.bundle.text_model()
        self._captions = [text.encode(each) for each in CAPTIONS.read_text("utf-8").splitlines()]
        self._packets = reel(opened, 0)
        birth = documents.encode(opened.recording.birth)
        with store.write() as session:
            devices = [_device(session, f"bench-{number}") for number in range(CAMERAS)]
            boots = [_boot(session, device, 0, birth) for device in devices]
            cameras = [_camera(session, device, opened.recording.camera.name) for device in devices]
        self._places = list(zip(devices, boots, cameras, strict=True))

    def send(self, store: Store, count: int) -> None:
        """Store about `count` more packets, of all devices in turn, and derive what they say."""
        rounds = islice(self._packets, -(-count // CAMERAS))
        for packet in rounds:
            with store.write() as session:
                intake.store(session, list(self._opened_by_all(packet)))
        derivation = Derivation(store, self._bundles, render_all=False)
        while derivation.work():
            pass

    def _opened_by_all(self, packet: Packet) -> Iterator[intake.Opened]:
        for number, (device, boot, camera) in enumerate(self._places):
            caption = self._captions[(packet.sequence + 7 * number) % len(self._captions)]
            said = replace(packet, layers=dict(packet.layers) | {Layer.CAPTION: caption})
            body = bytes(said)
            size = len(SealedEnvelope(bytes(KEY_BYTES), 1).seal(packet.sequence, body, _TOPIC))
            yield intake.Opened(device, boot, camera, said, body, None, size, BEGAN_MS + packet.captured_ms)


def _device(session: Session, name: str = "bench") -> int:
    device = DeviceRow(tenant="bench", site="bench", name=name, seen_ms=0)
    session.add(device)
    session.flush()
    return device.id


def _boot(session: Session, device_id: int, number: int, birth: bytes | None) -> int:
    boot = BootRow(device_id=device_id, boot_hex=f"{number:016x}", birth=birth, changed_ms=0)
    session.add(boot)
    session.flush()
    return boot.id


def _camera(session: Session, device_id: int, name: str) -> int:
    camera = CameraRow(device_id=device_id, name=name)
    session.add(camera)
    session.flush()
    return camera.id


def _packet(
    boot_id: int, camera_id: int, sequence: int, body: bytes, *, refresh: bool
) -> dict[str, int | bytes]:
    return {
        "boot_id": boot_id, "camera_id": camera_id, "sequence": sequence, "refresh": refresh, "body": body,
        "historical": False, "gap": False, "size": len(body), "received_ms": 0,
    }  # fmt: skip


def _jobs(packet_ids: Sequence[int], now_ms: int) -> list[dict[str, object]]:
    nothing = dict.fromkeys(("not_before_ms", "attempts", "fence", "lease_ms"), 0)
    same = {
        "state": "queued",
        "lane": int(Lane.BACKFILL),
        "turn": 1,
        "asked_ms": now_ms,
        "changed_ms": now_ms,
    }
    return [{"packet_id": packet_id} | same | nothing for packet_id in packet_ids]
