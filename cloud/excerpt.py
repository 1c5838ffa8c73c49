"""The part of a camera's stream that one segment's clip depends on, read from the store."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud.scene import Link, SceneError
from cloud.schema import BootRow, CameraRow, DeviceRow, PacketRow
from wire import documents
from wire.documents import Birth, CameraInfo
from wire.packet import Packet


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Packets of one camera and boot: from a refresh to the one after `sequence`, if that is here."""

    path: str  # tenant/site/device/camera
    birth: Birth
    camera: CameraInfo
    sequence: int
    links: Sequence[Link]


def excerpt(session: Session, packet_id: int) -> Excerpt:
    """Read what the clip of a packet depends on: also what its predecessor does, since they may blend.

    Raises SceneError if the boot's birth has not come, DocumentError if the birth lacks the camera.
    """
    target = session.get_one(PacketRow, packet_id)
    boot = session.get_one(BootRow, target.boot_id)
    camera = session.get_one(CameraRow, target.camera_id)
    device = session.get_one(DeviceRow, camera.device_id)
    if boot.birth is None:
        raise SceneError(f"the birth of boot {boot.boot_hex} has not come yet")
    birth = documents.decode_birth(boot.birth)
    return Excerpt(
        path=f"{device.tenant}/{device.site}/{device.name}/{camera.name}",
        birth=birth,
        camera=birth.camera(camera.name),
        sequence=target.sequence,
        links=_links(session, _rows(session, target)),
    )


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
    here = select(PacketRow.sequence).where(
        PacketRow.boot_id == rows[0].boot_id,
        PacketRow.sequence.between(rows[0].sequence, rows[-1].sequence),
        PacketRow.gap.is_(False),
    )
    stored = set(session.scalars(here))
    links = [Link(Packet.parse(rows[0].body), broken=True)]
    for before, row in pairwise(rows):
        whole = all(number in stored for number in range(before.sequence, row.sequence))
        links.append(Link(Packet.parse(row.body), broken=not whole))
    return links
