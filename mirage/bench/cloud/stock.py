"""Stores to measure: filled with jobs for nothing, or with the packets of a recording."""

from collections.abc import Sequence

import numpy as np
from sqlalchemy import insert
from sqlalchemy.orm import Session

from cloud import jobs
from cloud.clock import wall_ms
from cloud.lanes import Lane
from cloud.schema import BootRow, CameraRow, DeviceRow, JobRow, PacketRow, SegmentRow
from cloud.store import Store
from mirage.recordings import Opened
from wire import documents

BEGAN_MS = 1_790_000_000_000
SEGMENT_MS = 2_000
CAMERAS = 16
_AT_ONCE = 20_000


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
    """Store a recording `copies` times, each as a boot of its own, and ask for all; give how many jobs."""
    recording = opened.recording
    with store.write() as session:
        device = _device(session)
        camera_id = _camera(session, device, recording.camera.name)
        packet_ids = list[int]()
        for number in range(copies):
            boot_id = _boot(session, device, number, documents.encode(recording.birth))
            rows = [
                _packet(boot_id, camera_id, packet.sequence, bytes(packet), refresh=packet.refresh)
                for packet in recording.packets
            ]
            packet_ids += session.scalars(insert(PacketRow).returning(PacketRow.id), rows).all()
        for packet_id in packet_ids:
            jobs.enqueue(session, packet_id, wall_ms())
    return len(packet_ids)


def _device(session: Session) -> int:
    device = DeviceRow(tenant="bench", site="bench", name="bench", seen_ms=0)
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
