"""Births: who a device says it is, checked; then its boot, its cameras and its connection key are known.

    birth --signature, by the enrolled key--> --wrapped key, by the cloud's--> boots, cameras, keys

A birth can be sent again by whoever runs the broker. So one whose key is known changes nothing, and neither
does one of a boot of which keys were forgotten: their counters would begin anew. Those of the current boot
are all remembered, those of others boot by boot. A birth with a key that never was here is news, of
whichever boot: that of an earlier one may have come late, and then the device's own next one must win.

A boot that ended before it was online is explained by a later one: its birth is signed and has no key.
"""

import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from cloud.enrolment import enrolled_at
from cloud.identity import clones
from cloud.intake import AGAIN
from cloud.message import Message
from cloud.registry import Registry, insert_missing
from cloud.schema import BootRow, CameraRow, DeviceRow, KeyRow, PacketRow, SegmentRow
from cloud.store import Store
from wire import documents, keys, signature
from wire.documents import Birth, DocumentError
from wire.keys import SecretError
from wire.topics import DeviceTopics, Topic

MAX_KEYS = 256  # of a device, but for its current boot: what comes under an older one comes again


class BirthError(DocumentError):
    """The birth is not to be believed."""


class Newborn(NamedTuple):
    """A birth that was checked. `secret` is None on a trusted broker, and where the boot `is_over`."""

    message: Message
    birth: Birth
    device_id: int
    boot_id: int
    secret: bytes | None
    is_over: bool = False


class Births:
    """Checks births. Without `cloud_keys`, the current one first, they are neither signed nor sealed."""

    def __init__(
        self, store: Store, registry: Registry, cloud_keys: Sequence[X25519PrivateKey] | None
    ) -> None:
        self._store = store
        self._registry = registry
        self._cloud_keys = cloud_keys

    def check(self, topic: Topic, message: Message) -> Newborn:
        """Read a birth. Raises DocumentError, StoreError."""
        birth = documents.decode_birth(message.payload)
        if birth.device != topic.device:
            raise BirthError(f"birth of {birth.device!r} came under the topic of {topic.device!r}")
        secret, cameras, is_over = None, {camera.name for camera in birth.cameras}, False
        if self._cloud_keys is not None:
            cameras &= self._enrolled_cameras(topic, message)
            is_over = birth.wrapped_key is None and birth.key_id == 0
            secret = None if is_over else self._secret(message, birth)
        device_id = self._registry.device(topic, message.received_ms)
        boot_id = self._registry.boot(device_id, birth.boot_id, message.received_ms)
        for camera in sorted(cameras):
            self._registry.camera(device_id, camera)
        return Newborn(message, birth, device_id, boot_id, secret, is_over)

    def _enrolled_cameras(self, topic: Topic, message: Message) -> frozenset[str]:
        """Check that the device signed this, and give its cameras: others would be rows without end."""
        with self._store.read() as session:
            enrolled = enrolled_at(session, topic)
        if enrolled is None:
            raise BirthError(f"device {topic.device} is not enrolled here, or is revoked")
        try:
            signature.verify(message.payload, enrolled.public_key, message.topic)
        except signature.SignatureError as error:
            raise BirthError(str(error)) from error
        return frozenset(enrolled.cameras)

    def _secret(self, message: Message, birth: Birth) -> bytes:
        if birth.wrapped_key is None or birth.key_id == 0:
            raise BirthError("birth brings half of a connection key")
        context = keys.context_of(message.topic, birth.boot_id, birth.key_id)
        for cloud_key in self._cloud_keys or ():
            with contextlib.suppress(SecretError):
                return keys.unwrap(birth.wrapped_key, cloud_key, context)
        raise BirthError("wrapped key is for another cloud key, topic, boot or key id")


def register(session: Session, born: Newborn, early_state: str | None) -> bool:
    """Write down a birth; tell whether the device is owed an answer.

    `early_state` is what its boot's state was before the boot was known.
    """
    device, boot = session.get_one(DeviceRow, born.device_id), session.get_one(BootRow, born.boot_id)
    followed = boot.birth is not None and device.boot_hex != boot.boot_hex
    if born.is_over:
        _explain(session, boot, born)
        return False
    owed = not born.message.retained  # else the cloud has only started anew
    if born.secret is not None:
        unanswered = _unanswered(session, born)
        if unanswered is not None or (followed and _has_forgotten(session, boot)):
            return unanswered is True
        _add_key(session, born, born.secret)
        place = DeviceTopics(device.tenant, device.site, device.name)
        clones.look(session, place, device.id, born.message.received_ms)
        owed = True
    if not born.message.retained:  # else it spoke long ago
        device.seen_ms = max(device.seen_ms, born.message.received_ms)
    if followed and born.secret is None:
        return owed
    before = None if boot.birth is None else documents.decode_birth(boot.birth)
    device.boot_hex = boot.boot_hex
    boot.birth = born.message.payload
    boot.born_ms = boot.born_ms or born.message.received_ms
    boot.state = early_state or boot.state
    _note_cameras(session, born)
    session.flush()
    if before is not None:
        shift(session, boot.id, born.birth.boot_wall_ms - before.boot_wall_ms)
    if before is None or before.bundle_sha256 != born.birth.bundle_sha256:
        heal(session, boot.id)
    return owed


def _explain(session: Session, boot: BootRow, born: Newborn) -> None:
    """Note the birth of a boot that ended before it was online."""
    if boot.birth is None:
        boot.birth = born.message.payload
        session.flush()
        heal(session, boot.id)


def _unanswered(session: Session, born: Newborn) -> bool | None:
    """Tell of a key that is known whether anything was ever sent under it; None if it is not known."""
    which = select(KeyRow.down_counter).where(
        KeyRow.device_id == born.device_id, KeyRow.secret == born.secret
    )
    counter = session.scalar(which)
    return None if counter is None else counter == 0


def _has_forgotten(session: Session, boot: BootRow) -> bool:
    """Tell whether a boot had keys, and they were forgotten: all of them at once."""
    any_key = session.scalar(select(KeyRow.id).where(KeyRow.boot_id == boot.id).limit(1))
    return boot.born_ms is not None and any_key is None


def _add_key(session: Session, born: Newborn, secret: bytes) -> None:
    row: dict[str, str | int | bytes] = {
        "device_id": born.device_id, "boot_id": born.boot_id, "key_id": born.birth.key_id, "secret": secret,
        "born_ms": born.message.received_ms, "telemetry_counter": -1, "down_counter": 0,
    }  # fmt: skip
    insert_missing(session, KeyRow, [row])
    of_device = select(KeyRow.id).where(KeyRow.device_id == born.device_id)
    over = of_device.where(KeyRow.boot_id != born.boot_id)
    oldest = session.scalar(over.order_by(KeyRow.id.desc()).offset(MAX_KEYS).limit(1))
    if oldest is not None:
        incomplete = select(KeyRow.boot_id).where(KeyRow.id.in_(over.where(KeyRow.id <= oldest)))
        session.execute(delete(KeyRow).where(KeyRow.boot_id.in_(incomplete)))


def _note_cameras(session: Session, born: Newborn) -> None:
    for camera in born.birth.cameras:
        session.execute(
            update(CameraRow)
            .where(CameraRow.device_id == born.device_id, CameraRow.name == camera.name)
            .values(width=camera.width, height=camera.height, fps=camera.fps)
        )


def heal(session: Session, boot_id: int | None = None) -> None:
    """Have derived again what was not understood, of one boot or of all: a birth, or a bundle, has come."""
    faulty = select(SegmentRow.packet_id).where(SegmentRow.fault.is_not(None))
    if boot_id is not None:
        faulty = faulty.join(PacketRow, PacketRow.id == SegmentRow.packet_id)
        faulty = faulty.where(PacketRow.boot_id == boot_id)
    marked = update(PacketRow).where(PacketRow.id.in_(faulty), PacketRow.underived.is_(None))
    session.execute(marked.values(underived=AGAIN).execution_options(synchronize_session=False))


def shift(session: Session, boot_id: int, by_ms: int) -> None:
    """Move all segments of a boot in time: its device knows the time of day better now."""
    if by_ms:
        of_boot = select(PacketRow.id).where(PacketRow.boot_id == boot_id)
        moved = update(SegmentRow).where(SegmentRow.packet_id.in_(of_boot))
        session.execute(
            moved.values(start_ms=SegmentRow.start_ms + by_ms).execution_options(synchronize_session=False)
        )
