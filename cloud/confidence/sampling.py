"""Shots to compare, out of what is stored: recent ones in which something moves, of all cameras in turn.

Each is taken as its sender lets it be rendered; where nothing of the scene may be drawn (stand-ins), or
nothing at all, it is left out. No wish that hides what was told is passed on: anchors, style, fewer planes.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

from msgspec.structs import replace
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.bundles import Bundles
from cloud.confidence.obedience import Shot
from cloud.excerpt import Excerpt, excerpt
from cloud.scene import resolve_around
from cloud.schema import PacketRow, SegmentRow
from wire.bundle import BundleError
from wire.documents import DocumentError
from wire.packet import PacketError
from wire.policy import Network, PolicyError, Receiver, Sender, effective

_LOOKED_AT = 40  # recent segments of each camera

Sample = Mapping[str, Sequence[Shot]]  # by the hash of the bundle that describes them


def sample(session: Session, bundles: Bundles, receiver: Receiver, count: int) -> Sample:
    """Take up to `count` shots of each bundle. Raises StoreError."""
    asked = replace(
        receiver, anchors=(), people_anchors=(), people="as-sent", stand_in=None, planes=None,
        style_prompt="", negative_prompt="",
    )  # fmt: skip
    taken: dict[str, list[Shot]] = {}
    for packet_id in _recent(session):
        try:
            source = excerpt(session, packet_id)
            shot = _shot(source, bundles, asked)
        except (PacketError, DocumentError, BundleError, PolicyError):
            continue  # nobody renders it either
        shots = taken.setdefault(source.birth.bundle_sha256, [])
        coded = shot.segment.tokens is not None or shot.segment.vector is not None
        if len(shots) < count and coded:
            shots.append(shot)
    return taken


def _shot(source: Excerpt, bundles: Bundles, asked: Receiver) -> Shot:
    found = effective(Sender(receiver=source.demands), Network(), asked)
    codec = bundles.codec(source.birth.bundle_sha256)
    segments, index = resolve_around(source.links, source.sequence, codec)
    return Shot(f"{source.path} {source.sequence}", segments[index], source.camera, found.rendering(()))


def _recent(session: Session) -> Iterator[int]:
    """Give packets of all cameras in turn, the newest first."""
    cameras = session.scalars(select(SegmentRow.camera_id).distinct().order_by(SegmentRow.camera_id)).all()
    of_each = [
        session.scalars(
            select(PacketRow.id)
            .join(SegmentRow, SegmentRow.packet_id == PacketRow.id)
            .where(SegmentRow.camera_id == camera_id, SegmentRow.fault.is_(None), ~SegmentRow.still)
            .order_by(SegmentRow.start_ms.desc())
            .limit(_LOOKED_AT)
        ).all()
        for camera_id in cameras
    ]
    for row in zip_longest(*of_each):
        yield from (packet_id for packet_id in row if packet_id is not None)
