"""What the broker must know of the register: who may do what, and which certificates are revoked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from cryptography.x509 import CertificateRevocationList, CRLNumber, ExtensionNotFound, load_pem_x509_crl
from sqlalchemy.orm import Session

from cloud import enrolment as register
from cloud.acl import Grant, acl
from cloud.authority import Authority, Validity, revocation_list
from cloud.identity.certificates import revoked_serials

_SLACK = timedelta(days=1)  # the broker's clock may be behind
RENEWED = timedelta(days=1)  # a list that is over keeps everybody out, so it is written long before


@dataclass(frozen=True, slots=True)
class Lists:
    """What the broker should have now."""

    acl: bytes
    revoked: frozenset[int]


def lists_of(session: Session, roles: Sequence[Grant], more: Iterable[int], now_ms: int) -> Lists:
    """Look into the register; `more` are serial numbers that are revoked elsewhere. Raises AclError."""
    text = acl(register.enrolments_of(session), roles)
    return Lists(text.encode(), frozenset({*revoked_serials(session, now_ms), *more}))


def crl_of(
    authority: Authority, serials: frozenset[int], now_ms: int, days: float, before: bytes | None = None
) -> bytes:
    """Sign a list of revocations for so many days; its number is above that of the list `before`."""
    now = datetime.fromtimestamp(now_ms / 1000, timezone.utc)
    until = min(now + timedelta(days=days), authority.certificate.not_valid_after_utc)
    known = None if before is None else _read(before)
    number = max(now_ms, 0 if known is None else _number(known) + 1)
    return revocation_list(authority, serials, number, Validity(now - _SLACK, until))


def is_current(pem: bytes | None, authority: Authority, serials: frozenset[int], now_ms: int) -> bool:
    """Tell whether a list of revocations is ours, says this, and was made less than a day ago."""
    found = None if pem is None else _read(pem)
    if found is None or not found.is_signature_valid(authority.key.public_key()):
        return False
    made = found.last_update_utc + _SLACK
    now = datetime.fromtimestamp(now_ms / 1000, timezone.utc)
    return {each.serial_number for each in found} == serials and made <= now < made + RENEWED


def validity_of(pem: bytes) -> Validity | None:
    """Tell when a list of revocations was made, and until when it is good; None of what is none."""
    found = _read(pem)
    if found is None or found.next_update_utc is None:
        return None
    return Validity(found.last_update_utc + _SLACK, found.next_update_utc)


def _read(pem: bytes) -> CertificateRevocationList | None:
    try:
        return load_pem_x509_crl(pem)
    except ValueError:
        return None


def _number(known: CertificateRevocationList) -> int:
    try:
        return known.extensions.get_extension_for_class(CRLNumber).value.crl_number
    except ExtensionNotFound:
        return 0
