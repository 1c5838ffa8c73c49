"""What rows are called outside of the store; remembered, for it never changes."""

from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.registry import table_of
from cloud.schema import BootRow, CameraRow, DeviceRow

MAX_KNOWN = 65_536  # of each kind

_BOOTS, _CAMERAS, _DEVICES = table_of(BootRow), table_of(CameraRow), table_of(DeviceRow)


class Source(NamedTuple):
    """Which camera, tenant/site/device/camera, and which start of its device (hex)."""

    camera: str
    boot: str


class Names:
    """Looks names up once. For one thread."""

    def __init__(self) -> None:
        self._cameras: dict[int, str] = {}
        self._boots: dict[int, str] = {}

    def source(self, session: Session, camera_id: int, boot_id: int) -> Source:
        """Name a camera and a boot that are there."""
        return Source(self.camera(session, camera_id), self._boot(session, boot_id))

    def camera(self, session: Session, camera_id: int) -> str:
        """Name a camera that is there."""
        if camera_id not in self._cameras:
            _make_room(self._cameras)
            columns = (_DEVICES.c.tenant, _DEVICES.c.site, _DEVICES.c.name, _CAMERAS.c.name)
            query = select(*columns).join(_CAMERAS, _CAMERAS.c.device_id == _DEVICES.c.id)
            found = session.connection().execute(query.where(_CAMERAS.c.id == camera_id)).one()
            self._cameras[camera_id] = "/".join(found)
        return self._cameras[camera_id]

    def _boot(self, session: Session, boot_id: int) -> str:
        if boot_id not in self._boots:
            _make_room(self._boots)
            query = select(_BOOTS.c.boot_hex).where(_BOOTS.c.id == boot_id)
            self._boots[boot_id] = session.connection().execute(query).scalar_one()
        return self._boots[boot_id]


def _make_room(known: dict[int, str]) -> None:
    if len(known) >= MAX_KNOWN:
        known.clear()
