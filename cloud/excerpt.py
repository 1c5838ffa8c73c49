"""The part of a camera's stream that one segment's clip depends on, read from the store.

What is around a segment makes its clip better, and is left out where that demands more than the segment does:

    refresh .  .  .  | refresh .  .  SEGMENT | next
    '-- blended in --'-- needed ------------'-- blended in --       of all that is used, the strictest binds
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud.bound import FREE, Bound, demands_of, strictest
from cloud.lost import is_lost, lost_ranges
from cloud.scene import Link, SceneError, begins_anew
from cloud.schema import BootRow, CameraRow, DeviceRow, PacketRow, SegmentRow
from wire import documents
from wire.documents import Birth, CameraInfo
from wire.packet import Packet
from wire.policy import Demands, UnknownConstraintError


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Packets of one camera and boot: from a refresh to the one after `sequence`, if that is here.

    `demands` are those of all of them.
    """

    path: str  # tenant/site/device/camera
    birth: Birth
    camera: CameraInfo
    sequence: int
    links: Sequence[Link]
    demands: Demands


def excerpt(session: Session, packet_id: int) -> Excerpt:
    """Read what the clip of a packet depends on: also what its predecessor does, since they may blend.

    Raises SceneError if the boot's birth has not come or the packet is gone, DocumentError if the birth lacks
    the camera. BindingError, UnknownConstraintError: it may not be used.
    """
    target = session.get(PacketRow, packet_id)
    if target is None:
        raise SceneError(f"packet {packet_id} is no longer kept")
    boot = session.get_one(BootRow, target.boot_id)
    camera = session.get_one(CameraRow, target.camera_id)
    device = session.get_one(DeviceRow, camera.device_id)
    if boot.birth is None:
        raise SceneError(f"the birth of boot {boot.boot_hex} has not come yet")
    birth = documents.decode_birth(boot.birth)
    segment = session.get(SegmentRow, packet_id)
    known = FREE if segment is None else Bound.read(segment.binds)
    links, demands = within(_links(session, _rows(session, target)), target.sequence, known)
    return Excerpt(
        path=f"{device.tenant}/{device.site}/{device.name}/{camera.name}",
        birth=birth,
        camera=birth.camera(camera.name),
        sequence=target.sequence,
        links=links,
        demands=demands,
    )


def within(links: Sequence[Link], sequence: int, known: Bound) -> tuple[Sequence[Link], Demands]:
    """Keep what demands no more than segment `sequence`, of which it is `known` what binds it; and give that.

    Raises BindingError, UnknownConstraintError where it binds by what nobody knows.
    """
    (here,) = (number for number, link in enumerate(links) if link.packet.sequence == sequence)
    first = max((number for number in range(here + 1) if begins_anew(links[number].packet)), default=0)
    needed = [demands_of(link.packet) for link in links[first : here + 1]]
    bound = known.with_strictest(strictest(map(Bound, needed)))
    if bound.closed is not None:
        raise UnknownConstraintError(f"packet {sequence}: {bound.closed}")
    fits = [bound.covers(Bound.of(link.packet)) for link in links]
    begin = max((number + 1 for number in range(here) if not fits[number]), default=0)
    end = next((number for number in range(here, len(links)) if not fits[number]), len(links))
    return [replace(links[begin], broken=True), *links[begin + 1 : end]], bound.demands


def _rows(session: Session, target: PacketRow) -> Sequence[PacketRow]:
    same = (PacketRow.camera_id == target.camera_id, PacketRow.boot_id == target.boot_id)
    before = select(func.max(PacketRow.sequence)).where(*same, PacketRow.sequence < target.sequence)
    previous = session.scalar(before)
    upto = target.sequence if previous is None else previous
    refresh = session.scalar(
        select(func.max(PacketRow.sequence)).where(*same, PacketRow.refresh, PacketRow.sequence <= upto)
    )
    after = session.scalar(
        select(func.min(PacketRow.sequence)).where(*same, PacketRow.sequence > target.sequence)
    )
    span = PacketRow.sequence.between(
        0 if refresh is None else refresh, target.sequence if after is None else after
    )
    return session.scalars(select(PacketRow).where(*same, span).order_by(PacketRow.sequence)).all()


def _links(session: Session, rows: Sequence[PacketRow]) -> list[Link]:
    """Tell where packets are missing; those of the device's other cameras count as there."""
    boot_id, first, last = rows[0].boot_id, rows[0].sequence, rows[-1].sequence
    here = select(PacketRow.sequence).where(
        PacketRow.boot_id == boot_id, PacketRow.sequence.between(first, last), PacketRow.gap.is_(False)
    )
    stored = set(session.scalars(here))
    absent = [number for number in range(first, last + 1) if number not in stored]
    lost = lost_ranges(session, boot_id, first, last) if absent else []
    links = [Link(Packet.parse(rows[0].body), broken=True)]
    for before, row in pairwise(rows):
        between = (number for number in range(before.sequence, row.sequence) if number not in stored)
        links.append(Link(Packet.parse(row.body), broken=is_lost(lost, between)))
    return links
