"""Claims: each is good for enrolling one device once. The store knows them only by their SHA-256.

mrc_  4f0c9a12be77  _  hM3v…            id, which is no secret, and 256 random bits
      '- in lists      '- shown once, goes into the device's seed

One for a TPM has no secret that anybody knows: the TPM reads a ticket (cloud/identity/tickets.py) instead.

A claim that was used is refused to every other key, for ever: whoever brings it then has a copy of the seed.
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.enrolment import MAX_CAMERAS
from cloud.schema import ClaimRow, EnrolmentRow
from wire.topics import DeviceTopics, TopicError, check_names

_ID_BYTES = 6
_SECRET_BYTES = 32
_WRITTEN = re.compile(r"mrc_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NOBODY = bytes(32)


class ClaimError(ValueError):
    """A claim cannot be made, taken back or used; the message says why."""


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A claim without its secret. `state` is open, used, expired or revoked; `used_by` is a key's SHA-256.

    `tpm` is the SHA-256 of the endorsement key's SPKI, where the claim is for a TPM.
    """

    id: str
    device: str
    cameras: tuple[str, ...]
    state: str
    created_ms: int
    expires_ms: int
    used_ms: int | None
    used_by: str | None
    tpm: str | None


@dataclass(frozen=True, slots=True)
class NewClaim:
    """A claim that has just been made, with the only copy of its secret."""

    claim: ClaimView
    secret: str


def create(
    session: Session, device: DeviceTopics, cameras: Sequence[str], now_ms: int, expires_ms: int
) -> NewClaim:
    """Make a claim for a device and its cameras. Raises ClaimError."""
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    row = _add(session, device, cameras, now_ms, expires_ms, secret)
    return NewClaim(view_of(row, now_ms), f"mrc_{row.id}_{secret}")


def create_for_tpm(
    session: Session,
    device: DeviceTopics,
    cameras: Sequence[str],
    ek_sha256: bytes,
    now_ms: int,
    expires_ms: int,
) -> ClaimView:
    """Make a claim for the TPM with this endorsement key; an earlier one for a TPM of the device is over.

    Raises ClaimError.
    """
    row = _add(session, device, cameras, now_ms, expires_ms, secrets.token_urlsafe(_SECRET_BYTES))
    row.ek_sha256 = ek_sha256
    session.flush()
    return view_of(row, now_ms)


def of_tpm(session: Session, device: str) -> ClaimRow | None:
    """Give the newest claim that is for a TPM of this device; older ones count no more."""
    which = select(ClaimRow).where(ClaimRow.device == device, ClaimRow.ek_sha256.is_not(None))
    return session.scalars(which.order_by(ClaimRow.created_ms.desc(), ClaimRow.id).limit(1)).first()


def _add(
    session: Session,
    device: DeviceTopics,
    cameras: Sequence[str],
    now_ms: int,
    expires_ms: int,
    secret: str,
) -> ClaimRow:
    _check(session, device, cameras)
    if expires_ms <= now_ms:
        raise ClaimError(f"{device.device}: the claim would have expired already")
    row = ClaimRow(
        id=secrets.token_hex(_ID_BYTES),
        tenant=device.tenant,
        site=device.site,
        device=device.device,
        cameras=json.dumps(list(cameras)),
        sha256=_hashed(secret),
        created_ms=now_ms,
        expires_ms=expires_ms,
    )
    session.add(row)
    session.flush()
    return row


def listed(session: Session, now_ms: int) -> list[ClaimView]:
    """List all claims, the newest first."""
    rows = session.scalars(select(ClaimRow).order_by(ClaimRow.created_ms.desc(), ClaimRow.id))
    return [view_of(row, now_ms) for row in rows]


def revoke(session: Session, claim_id: str, now_ms: int) -> ClaimView:
    """Take back a claim that was not used. Raises ClaimError."""
    row = session.get(ClaimRow, claim_id, with_for_update=True)
    if row is None:
        raise ClaimError(f"no claim {claim_id}")
    if row.used_ms is not None:
        raise ClaimError(f"claim {claim_id}: was used: revoke the device (mirage cloud revoke {row.device})")
    if row.revoked_ms is None:
        row.revoked_ms = now_ms
    session.flush()
    return view_of(row, now_ms)


def find(session: Session, written: str, *, lock: bool) -> ClaimRow | None:
    """Give the row of a claim, None for whatever else is written; `lock` it until the transaction ends."""
    match = _WRITTEN.fullmatch(written)
    if match is None:
        return None
    row = session.get(ClaimRow, match[1], with_for_update=lock)
    known = hmac.compare_digest(_hashed(match[2]), _NOBODY if row is None else row.sha256)
    return row if known else None


def place_of(row: ClaimRow) -> DeviceTopics:
    """Say whose claim it is."""
    return DeviceTopics(row.tenant, row.site, row.device)


def cameras_of(row: ClaimRow) -> tuple[str, ...]:
    """Say for which cameras it is."""
    return tuple(json.loads(row.cameras))


def state_of(row: ClaimRow, now_ms: int) -> str:
    """Say whether a claim is open, used, expired or revoked."""
    if row.used_ms is not None:
        return "used"
    if row.revoked_ms is not None:
        return "revoked"
    return "expired" if row.expires_ms <= now_ms else "open"


def _check(session: Session, device: DeviceTopics, cameras: Sequence[str]) -> None:
    if not 1 <= len(cameras) <= MAX_CAMERAS or len(set(cameras)) != len(cameras):
        raise ClaimError(f"{device.device}: give 1 to {MAX_CAMERAS} cameras, all different")
    try:
        check_names(device, cameras)
    except TopicError as error:
        raise ClaimError(f"{device.device}: {error}") from error
    enrolled = select(EnrolmentRow).where(EnrolmentRow.device == device.device)
    claimed = select(ClaimRow).where(ClaimRow.device == device.device)
    known = [(row.tenant, row.site) for row in session.scalars(enrolled)]
    known += [(row.tenant, row.site) for row in session.scalars(claimed)]
    for tenant, site in known:
        if (tenant, site) != (device.tenant, device.site):
            raise ClaimError(
                f"{device.device}: this id is taken by {tenant}/{site}/{device.device}: "
                "the broker knows devices by their id alone, so choose another"
            )


def _hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def view_of(row: ClaimRow, now_ms: int) -> ClaimView:
    """Give what may be shown of a claim."""
    return ClaimView(
        row.id,
        f"{row.tenant}/{row.site}/{row.device}",
        cameras_of(row),
        state_of(row, now_ms),
        row.created_ms,
        row.expires_ms,
        row.used_ms,
        None if row.used_by is None else row.used_by.hex(),
        None if row.ek_sha256 is None else row.ek_sha256.hex(),
    )
