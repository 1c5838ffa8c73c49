"""The register of devices: who may speak, with which key and for which cameras.

    certificate --enrol--> enrolments --public_key_of--> births are checked
                                  '----enrolments_of---> lines of the broker's ACL (cloud/acl.py)

A device's id is its user name at the broker, which knows neither tenants nor sites. So an id is taken
once in a deployment, and for ever: that of a revoked device comes back only at its own place.
"""

import json
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.schema import EnrolmentRow
from wire.topics import DeviceTopics, Topic, TopicError, check_camera, check_names

MAX_CAMERAS = 64  # as many as edge/config.py takes


class EnrolmentError(ValueError):
    """The device cannot be enrolled or revoked; the message names it and says why."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One device: where it is, its cameras, its key (P-256), since when, and until when if that is over."""

    device: DeviceTopics
    cameras: tuple[str, ...]
    public_key: EllipticCurvePublicKey
    enrolled_ms: int
    revoked_ms: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.public_key.curve, SECP256R1):
            raise EnrolmentError(f"key of {self.device.device}: {self.public_key.curve.name} is not P-256")
        if not 1 <= len(self.cameras) <= MAX_CAMERAS:
            raise EnrolmentError(f"{self.device.device}: {len(self.cameras)} cameras, not 1 to {MAX_CAMERAS}")
        if len(set(self.cameras)) != len(self.cameras):
            raise EnrolmentError(f"{self.device.device}: cameras {self.cameras} are not all different")
        try:
            for camera in self.cameras:
                check_camera(camera)
        except TopicError as error:
            raise EnrolmentError(f"{self.device.device}: {error}") from error


def enrol(session: Session, wanted: Enrolment, *, again: bool = False) -> None:
    """Write a device into the register, or raise EnrolmentError.

    Whoever is in it may change its cameras; a new key, or coming back after a revocation, takes `again`.
    """
    device, key = wanted.device, _encoded(wanted.public_key)
    holder = session.scalars(select(EnrolmentRow).where(EnrolmentRow.public_key == key)).first()
    if holder is not None and holder.device != device.device:
        raise EnrolmentError(f"{device.device}: its key is that of {_place(holder)}")
    row = _row(session, device.device)
    if row is None:
        _check_names(wanted)
        row = EnrolmentRow(device=device.device, tenant=device.tenant, site=device.site, public_key=key)
        session.add(row)
    elif (row.tenant, row.site) != (device.tenant, device.site):
        raise EnrolmentError(f"{device.device}: this id is taken by {_place(row)}")
    elif row.revoked_ms is not None and not again:
        raise EnrolmentError(f"{_place(row)} is revoked: enrol it again explicitly (--again)")
    elif row.public_key != key and not again:
        raise EnrolmentError(f"{_place(row)} has another key: enrol it again explicitly (--again)")
    row.public_key, row.cameras = key, json.dumps(wanted.cameras)
    row.enrolled_ms, row.revoked_ms = wanted.enrolled_ms, None
    session.flush()


def _check_names(wanted: Enrolment) -> None:
    try:
        check_names(wanted.device, wanted.cameras)
    except TopicError as error:
        raise EnrolmentError(str(error)) from error


def revoke(session: Session, device: str, now_ms: int) -> Enrolment:
    """Let a device, named by its id, speak no more; EnrolmentError if there is none of that id."""
    row = _row(session, device)
    if row is None:
        raise EnrolmentError(f"{device}: no device of this id is enrolled")
    if row.revoked_ms is None:
        row.revoked_ms = now_ms
    session.flush()
    return _enrolment(row)


def enrolments_of(session: Session) -> list[Enrolment]:
    """List all devices, also those that are revoked, by tenant, site and id."""
    order = (EnrolmentRow.tenant, EnrolmentRow.site, EnrolmentRow.device)
    return [_enrolment(row) for row in session.scalars(select(EnrolmentRow).order_by(*order))]


def public_key_of(session: Session, topic: Topic) -> EllipticCurvePublicKey | None:
    """Give the key of the device that a topic names; None if it is not enrolled there, or is revoked."""
    found = enrolled_at(session, topic)
    return None if found is None else found.public_key


def enrolled_at(session: Session, topic: Topic) -> Enrolment | None:
    """Give the device that a topic names; None if it is not enrolled there, or is revoked."""
    row = _row(session, topic.device)
    if row is None or row.revoked_ms is not None or (row.tenant, row.site) != (topic.tenant, topic.site):
        return None
    return _enrolment(row)


def find(session: Session, device: str) -> Enrolment | None:
    """Give the device of this id, also one that is revoked."""
    row = _row(session, device)
    return None if row is None else _enrolment(row)


def _row(session: Session, device: str) -> EnrolmentRow | None:
    return session.scalars(select(EnrolmentRow).where(EnrolmentRow.device == device)).first()


def _enrolment(row: EnrolmentRow) -> Enrolment:
    place = DeviceTopics(row.tenant, row.site, row.device)
    return Enrolment(place, tuple(json.loads(row.cameras)), _decoded(row), row.enrolled_ms, row.revoked_ms)


def _encoded(key: EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _decoded(row: EnrolmentRow) -> EllipticCurvePublicKey:
    try:
        key = load_der_public_key(row.public_key)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise EnrolmentError(f"the key stored for {_place(row)} cannot be read: {error}") from error
    if not isinstance(key, EllipticCurvePublicKey):
        raise EnrolmentError(f"the key stored for {_place(row)} is not P-256")
    return key


def _place(row: EnrolmentRow) -> str:
    return f"{row.tenant}/{row.site}/{row.device}"
