"""Certificates of devices that are known here, when they are renewed, and which of them are no longer good.

begins ------------------ 2/3: due for renewal ------ ends ---- grace: may still be renewed ---->|
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from cloud.authority import Authority, Validity, device_certificate
from cloud.certificate import certificate_of
from cloud.enrolment import Enrolment
from cloud.schema import CertificateRow, EnrolmentRow
from wire.topics import DeviceTopics

DAY_MS = 86_400_000
_SLACK = timedelta(days=1)  # clocks of devices and broker that are behind


@dataclass(frozen=True, slots=True)
class Issuer:
    """Certifies devices, for so many days."""

    authority: Authority
    days: float

    def issue(self, device: DeviceTopics, key: EllipticCurvePublicKey, now_ms: int) -> bytes:
        """Give a certificate in PEM; it does not outlive the authority. Raises AuthorityError."""
        now = _time(now_ms)
        until = min(now + timedelta(days=self.days), self.authority.certificate.not_valid_after_utc)
        return device_certificate(self.authority, key, device, Validity(now - _SLACK, until))


def current(session: Session, issuer: Issuer, enrolment: Enrolment, now_ms: int) -> CertificateRow:
    """Give the certificate that a device should have now: its newest one, or a new one if that is due.

    So whoever asks twice, because an answer was lost, gets the same. Raises AuthorityError.
    """
    device, key = enrolment.device, enrolment.public_key
    newest = newest_of(session, device.device, key)
    if newest is not None and now_ms < due_ms(newest):
        return newest
    over = delete(CertificateRow).where(
        CertificateRow.device == device.device, CertificateRow.ends_ms < now_ms
    )
    session.execute(over)
    return note(session, device, issuer.issue(device, key, now_ms), now_ms)


def note(session: Session, device: DeviceTopics, pem: bytes, now_ms: int) -> CertificateRow:
    """Write down a certificate, so that it can be revoked."""
    certificate = certificate_of(pem)
    serial = f"{certificate.serial_number:x}"
    row = session.get(CertificateRow, serial)
    if row is None:
        row = CertificateRow(serial=serial, device=device.device, issued_ms=now_ms, pem=pem)
        row.key_sha256 = hashlib.sha256(_spki(certificate.public_key())).digest()
        row.begins_ms = _ms(certificate.not_valid_before_utc)
        row.ends_ms = _ms(certificate.not_valid_after_utc)
        session.add(row)
        session.flush()
    return row


def newest_of(session: Session, device: str, key: EllipticCurvePublicKey) -> CertificateRow | None:
    """Give the certificate of a device's key that lasts longest."""
    which = select(CertificateRow).where(
        CertificateRow.device == device, CertificateRow.key_sha256 == key_sha256(key)
    )
    return session.scalars(which.order_by(CertificateRow.ends_ms.desc()).limit(1)).first()


def ends_by_key(session: Session) -> dict[bytes, int]:
    """Say until when the certificates last that are known here, by the SHA-256 of their key."""
    latest = select(CertificateRow.key_sha256, func.max(CertificateRow.ends_ms))
    rows = session.execute(latest.group_by(CertificateRow.key_sha256))
    return {row[0]: row[1] for row in rows}


def due_ms(row: CertificateRow) -> int:
    """Say when a certificate is to be renewed: at two thirds of its life."""
    return row.begins_ms + (row.ends_ms - row.begins_ms) * 2 // 3


def revoked_serials(session: Session, now_ms: int) -> set[int]:
    """Give the serial numbers that nobody may use: of devices that are revoked, and of former keys.

    Those that are over need not be listed.
    """
    good = {
        row.device: hashlib.sha256(row.public_key).digest()
        for row in session.scalars(select(EnrolmentRow).where(EnrolmentRow.revoked_ms.is_(None)))
    }
    columns = select(CertificateRow.serial, CertificateRow.device, CertificateRow.key_sha256)
    rows = session.execute(columns.where(CertificateRow.ends_ms >= now_ms - DAY_MS))
    return {int(serial, 16) for serial, device, key in rows if good.get(device) != key}


def key_sha256(key: EllipticCurvePublicKey) -> bytes:
    """Name a key by the SHA-256 of its SPKI."""
    return hashlib.sha256(_spki(key)).digest()


def _spki(key: object) -> bytes:
    if not isinstance(key, EllipticCurvePublicKey):
        raise TypeError(f"a device's key is of an elliptic curve, not {type(key).__name__}")
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _time(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, timezone.utc)


def _ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)
