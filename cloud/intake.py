"""Stores packets by the batch: each boot and sequence once, with what it means for watermark and counts.

What a packet says is derived later (cloud/derivation.py): here stands nothing between broker and commit
that takes time, and no object is made per row.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sqlalchemy import bindparam, column, insert, select, table, update
from sqlalchemy.orm import Session

from cloud.message import Outcome
from cloud.registry import table_of
from cloud.schema import BootRow, CameraRow, DeviceRow, PacketRow
from cloud.watermark import Watermark
from wire import gap
from wire.gap import Gap
from wire.packet import Layer, Packet, as_live

NEW, AGAIN = 1, 2  # values of `underived`
MAX_HOLES = 1024  # in what is stored of one boot: each costs time with every batch

_PACKETS, _BOOTS = table_of(PacketRow), table_of(BootRow)
_CAMERAS, _DEVICES = table_of(CameraRow), table_of(DeviceRow)
_SELECT_BOOTS = select(_BOOTS.c.id, _BOOTS.c.highest, _BOOTS.c.holes, _BOOTS.c.state)
# Without types, so that nothing is converted on the way: these values are what both databases take.
_INSERT = insert(table("packets", *(column(each.name) for each in _PACKETS.c if each.name != "id")))
_UPDATE_BOOT = (
    update(_BOOTS)
    .where(_BOOTS.c.id == bindparam("b_id"))
    .values(
        highest=bindparam("highest"), holes=bindparam("holes"), state=bindparam("state"),
        changed_ms=bindparam("changed_ms"),
    )
)  # fmt: skip
_UPDATE_CAMERA = (
    update(_CAMERAS)
    .where(_CAMERAS.c.id == bindparam("b_id"))
    .values(
        segments=_CAMERAS.c.segments + bindparam("more_segments"),
        bytes=_CAMERAS.c.bytes + bindparam("more_bytes"),
        received=_CAMERAS.c.received + bindparam("more_bytes"),
    )
)
_UPDATE_DEVICE = (
    update(_DEVICES).where(_DEVICES.c.id == bindparam("b_id")).values(seen_ms=bindparam("seen_ms"))
)


class Opened(NamedTuple):
    """A packet that was read, and where it belongs (row ids). `body` is what is kept of it.

    `certain` unless its boot is only assumed to be that of the device's last birth.
    """

    device_id: int
    boot_id: int
    camera_id: int
    packet: Packet
    body: bytes
    lost: Gap | None
    size: int  # of the whole frame
    received_ms: int
    certain: bool = True


class _Row(NamedTuple):
    """What is compared with a packet that comes in the same place."""

    camera_id: int
    gap: bool
    body: bytes


@dataclass(slots=True)
class _Boot:
    """A boot during one batch."""

    seen: Watermark
    state: str
    changed_ms: int = 0
    rows: dict[int, _Row] = field(default_factory=dict)  # by sequence: those that packets may meet


@dataclass(slots=True)
class _Batch:
    boots: Mapping[int, _Boot]
    rows: list[dict[str, int | bool | bytes]] = field(default_factory=list)
    segments: dict[int, int] = field(default_factory=dict)  # by camera
    sizes: dict[int, int] = field(default_factory=dict)  # by camera


def store(session: Session, batch: Sequence[Opened]) -> list[Outcome]:
    """Store packets in order: STORED, DUPLICATE, or QUARANTINED where another packet is in its place.

    LIMITED where one more hole would be too many: it comes again, as what belongs into the holes does. Of a
    gap record only what is not here is noted.
    """
    work = _Batch(_boots(session, batch))
    outcomes = [_keep(work, opened) for opened in batch]
    seen_ms = {opened.device_id: opened.received_ms for opened in batch}
    connection = session.connection()
    if work.rows:
        connection.execute(_INSERT, work.rows)
        connection.execute(
            _UPDATE_CAMERA,
            [
                {"b_id": camera_id, "more_segments": work.segments.get(camera_id, 0), "more_bytes": size}
                for camera_id, size in sorted(work.sizes.items())
            ],
        )
    connection.execute(
        _UPDATE_BOOT,
        [
            {
                "b_id": boot_id,
                "highest": boot.seen.highest,
                "holes": boot.seen.holes_json,
                "state": boot.state,
                "changed_ms": boot.changed_ms,
            }
            for boot_id, boot in work.boots.items()
        ],
    )
    connection.execute(_UPDATE_DEVICE, [{"b_id": key, "seen_ms": ms} for key, ms in sorted(seen_ms.items())])
    return outcomes


def misplaced(sequence: int) -> str:
    """Say why a packet was not stored."""
    return f"packet {sequence} differs from the one that is stored"


def _boots(session: Session, batch: Sequence[Opened]) -> dict[int, _Boot]:
    """Read the boots of a batch, and what is stored where packets of it come late."""
    ids = sorted({opened.boot_id for opened in batch})
    # In order, so that two processes never wait for each other; SQLite has one writer anyway.
    query = _SELECT_BOOTS.where(_BOOTS.c.id.in_(ids)).order_by(_BOOTS.c.id).with_for_update()
    boots = {
        boot_id: _Boot(Watermark.parse(highest, holes), state)
        for boot_id, highest, holes, state in session.execute(query)
    }
    late: dict[int, set[int]] = {}
    for opened in batch:
        if opened.packet.sequence <= boots[opened.boot_id].seen.highest:
            late.setdefault(opened.boot_id, set()).add(opened.packet.sequence)
    for boot_id, sequences in late.items():
        boots[boot_id].rows.update(_stored(session, boot_id, sequences))
    return boots


def _stored(session: Session, boot_id: int, sequences: Iterable[int]) -> dict[int, _Row]:
    columns = (_PACKETS.c.sequence, _PACKETS.c.camera_id, _PACKETS.c.gap, _PACKETS.c.body)
    query = select(*columns).where(_PACKETS.c.boot_id == boot_id, _PACKETS.c.sequence.in_(sequences))
    return {sequence: _Row(camera, is_gap, body) for sequence, camera, is_gap, body in session.execute(query)}


def _keep(work: _Batch, opened: Opened) -> Outcome:
    boot, packet, lost = work.boots[opened.boot_id], opened.packet, opened.lost
    boot.changed_ms = opened.received_ms
    if boot.state == "lost" and not packet.historical:
        boot.state = "ready"  # the will of an old connection came after the new one was ready
    if lost is None or not lost.first <= packet.sequence <= lost.last:
        return _keep_one(work, boot, opened, opened.size)
    outcome, size = Outcome.DUPLICATE, opened.size
    for low, high in boot.seen.missing(lost.first, lost.last):
        part = replace(lost, first=low, last=high)
        record = replace(packet, sequence=low, layers={Layer.GAP: gap.encode(part)})
        body = as_live(bytes(record))
        outcome = _keep_one(work, boot, opened._replace(packet=record, body=body, lost=part), size)
        size = 0  # its bytes are counted once
    return outcome


def _keep_one(work: _Batch, boot: _Boot, opened: Opened, size: int) -> Outcome:
    packet, lost = opened.packet, opened.lost
    sequence, here = packet.sequence, None
    if sequence <= boot.seen.highest:
        here = boot.rows.get(sequence)
        if here is None and not boot.seen.missing(sequence, sequence):
            return Outcome.DUPLICATE  # a gap record that begins earlier has it: what is given up stays so
    is_gap = lost is not None
    row = _Row(opened.camera_id, is_gap, opened.body)
    if here is not None:
        same = here.gap or (here.camera_id == row.camera_id and _agree(here.body, row.body))
        return Outcome.DUPLICATE if same else Outcome.QUARANTINED
    seen = boot.seen.add(sequence, sequence) if lost is None else _without(boot.seen, sequence, lost)
    if len(seen.holes) > max(MAX_HOLES, len(boot.seen.holes)):
        return Outcome.LIMITED
    boot.rows[sequence] = row
    boot.seen = seen
    camera_id = opened.camera_id
    work.sizes[camera_id] = work.sizes.get(camera_id, 0) + size
    if not is_gap:
        work.segments[camera_id] = work.segments.get(camera_id, 0) + 1
    work.rows.append(
        {
            "boot_id": opened.boot_id,
            "camera_id": camera_id,
            "sequence": sequence,
            "refresh": packet.refresh,
            "historical": packet.historical,
            "gap": is_gap,
            "size": size,
            "body": opened.body,
            "received_ms": opened.received_ms,
            "underived": NEW,
        }
    )
    return Outcome.STORED


def _without(seen: Watermark, sequence: int, lost: Gap) -> Watermark:
    return seen.add(sequence, sequence).add(lost.first, lost.last)


def _agree(body: bytes, other: bytes) -> bool:
    """Tell whether two bodies are of one packet: a device may shed layers before it sends it again."""
    if body == other:
        return True
    one, two = Packet.parse(body), Packet.parse(other)
    shared = one.layers.keys() & two.layers.keys()
    same_layers = all(one.layers[layer] == two.layers[layer] for layer in shared)
    nested = len(shared) == min(len(one.layers), len(two.layers))
    return same_layers and nested and replace(one, layers={}) == replace(two, layers={})
