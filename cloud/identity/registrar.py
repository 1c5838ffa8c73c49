"""Enrols devices that bring a claim, and gives those that are enrolled their next certificate.

claim + request --redeem--> register, certificate          once; again for the same key only
request + EK + AK --invite--> ticket, which that TPM reads: a claim for ten minutes
name ----------challenge--> nonce
name + nonce + signature --renew--> certificate             for the key in the register
"""

from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import delete
from sqlalchemy.orm import Session

from cloud import enrolment as register
from cloud.certificate import AuthorityError, Identity, device_named
from cloud.clock import Clock, wall_ms
from cloud.enrolment import Enrolment, EnrolmentError
from cloud.identity import alarms, certificates, claims, tickets
from cloud.identity.certificates import DAY_MS, Issuer, due_ms, key_sha256
from cloud.identity.challenges import ChallengeError, Challenges
from cloud.identity.claims import ClaimError
from cloud.identity.credential import Credential, ak_name, endorsement_key, make_credential
from cloud.identity.request import read_request
from cloud.identity.tickets import Tickets
from cloud.schema import CertificateRow, ClaimRow, SpentNonceRow
from cloud.store import ContentError, Store
from wire import renewal
from wire.renewal import RenewalError
from wire.topics import DeviceTopics, Topic

_MAX_NAME = 98  # three names of 32 and two strokes
_UNKNOWN = "no such claim: it is mistyped, or of another cloud"


class RefusedError(ValueError):
    """A certificate is refused to whoever asks; asking again the same does not help."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A certificate in PEM, for which cameras, until when, and from when on it should be renewed."""

    certificate: bytes
    cameras: tuple[str, ...]
    ends_ms: int
    renew_ms: int
    now_ms: int


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the next renewal has to be signed for."""

    nonce: str
    now_ms: int


@dataclass(frozen=True, slots=True)
class Invitation:
    """The open half of a ticket, and the other as a credential that one TPM reads."""

    ticket: str
    credential: Credential
    now_ms: int


class Registrar:
    """Decides who gets a certificate. Safe to share between threads and processes: the store decides."""

    def __init__(self, store: Store, issuer: Issuer, grace_days: float, clock: Clock = wall_ms) -> None:
        self._store = store
        self._issuer = issuer
        self._grace_ms = round(grace_days * DAY_MS)
        self._challenges = Challenges(issuer.authority.key)
        self._tickets = Tickets(issuer.authority.key)
        self._clock = clock

    def redeem(self, claim: str, request: bytes) -> Granted:
        """Enrol the device that a claim is for, with the key of its request.

        Raises AuthorityError for the request, ClaimError for the claim, StoreError.
        """
        identity, now_ms = read_request(request), self._clock()
        refused: ClaimError | None = None
        granted: Granted | None = None
        with self._store.read() as session:  # strangers get no lock on the store
            self._find(session, claim, identity, now_ms, lock=False)
        with self._store.write() as session:
            row = self._find(session, claim, identity, now_ms, lock=True)
            try:
                granted = self._redeem(session, row, identity, now_ms)
            except _OfTwoKeysError as error:
                place = claims.place_of(row)
                alarms.sound(session, place, alarms.CLAIM_OF_TWO, str(error), now_ms)
                refused = error  # raised when the alarm is stored
        if granted is None:
            raise refused or ClaimError("the claim was refused")
        return granted

    def invite(self, request: bytes, ek: bytes, ak: bytes) -> Invitation:
        """Give a ticket for the device and the key of a request, to the TPM that the device is known by.

        `ek` is the SPKI of its endorsement key in DER, `ak` a TPM2B_PUBLIC. Nothing is stored, and no alarm
        is raised: both are public, so whoever sends them has proven nothing yet.
        Raises AuthorityError for the request, CredentialError for the keys, ClaimError, StoreError.
        """
        identity, now_ms = read_request(request), self._clock()
        name, key = ak_name(ak), endorsement_key(ek)
        with self._store.read() as session:
            row = claims.of_tpm(session, identity.device.device)
            if row is None or row.ek_sha256 != sha256(ek).digest() or claims.place_of(row) != identity.device:
                raise ClaimError(
                    f"{_name(identity.device)} is not known by this TPM: compare `mirage edge tpm` with the "
                    "fleet file, then mirage cloud claims create --fleet"
                )
            state, claim_id = claims.state_of(row, now_ms), row.id
        if state in ("expired", "revoked"):
            raise ClaimError(
                f"the claim for this TPM is {state}: mirage cloud claims create --fleet FILE --again"
            )
        ticket = self._tickets.make(claim_id, key_sha256(identity.public_key), now_ms)
        return Invitation(ticket.head, make_credential(key, name, ticket.secret), now_ms)

    def challenge(self, name: str) -> Challenge:
        """Give a device a nonce; whether it is enrolled shows only when it is used. Raises AuthorityError."""
        _place(name)
        now_ms = self._clock()
        return Challenge(self._challenges.make(name, now_ms), now_ms)

    def renew(self, name: str, nonce: str, signature: str) -> Granted:
        """Give an enrolled device its next certificate. Raises AuthorityError, RefusedError, StoreError."""
        device, now_ms = _place(name), self._clock()
        try:
            until_ms = self._challenges.expires_ms(nonce, name, now_ms)
            with self._store.read() as session:  # strangers get no lock on the store
                self._proven(session, device, nonce, signature)
            with self._store.write() as session:
                enrolment = self._proven(session, device, nonce, signature)
                self._spend(session, nonce, until_ms, now_ms)
                self._check_grace(session, enrolment, now_ms)
                return self._granted(session, enrolment, now_ms)
        except (ChallengeError, RenewalError) as error:
            raise RefusedError(str(error)) from error
        except ContentError as error:  # somebody was quicker with the same nonce
            raise RefusedError("the nonce was used before") from error

    def _redeem(self, session: Session, row: ClaimRow, identity: Identity, now_ms: int) -> Granted:
        device = claims.place_of(row)
        if identity.device != device:
            raise ClaimError(f"the claim is not for {_name(identity.device)}: take the one of its own seed")
        key = key_sha256(identity.public_key)
        known = register.find(session, device.device)
        if row.used_by is not None and row.used_by != key:
            raise _OfTwoKeysError(
                f"the claim was used by another key ({row.used_by.hex()[:16]}, not {key.hex()[:16]}): was "
                "the card copied, or the key lost? A new claim enrols it again: mirage cloud claims create"
            )
        if row.used_by is None:
            known = self._enrol(session, row, identity, known, now_ms)
        if known is None or known.revoked_ms is not None or key_sha256(known.public_key) != key:
            raise ClaimError(f"{device.device} has been revoked, or enrolled anew, since this claim was used")
        return self._granted(session, known, now_ms)

    def _enrol(
        self, session: Session, row: ClaimRow, identity: Identity, known: Enrolment | None, now_ms: int
    ) -> Enrolment:
        state = claims.state_of(row, now_ms)
        if state != "open":
            raise ClaimError(f"the claim is {state}: make a new one (mirage cloud claims create)")
        if known is not None and known.revoked_ms is not None and row.created_ms <= known.revoked_ms:
            raise ClaimError(f"{known.device.device} was revoked after this claim was made: make a new one")
        wanted = Enrolment(identity.device, claims.cameras_of(row), identity.public_key, now_ms)
        try:
            register.enrol(session, wanted, again=True)  # the claim is the operator's word for it
        except EnrolmentError as error:
            raise ClaimError(str(error)) from error
        row.used_ms, row.used_by = now_ms, key_sha256(identity.public_key)
        return wanted

    def _find(
        self, session: Session, written: str, identity: Identity, now_ms: int, *, lock: bool
    ) -> ClaimRow:
        if not written.startswith(tickets.PREFIX):
            row = claims.find(session, written, lock=lock)
        else:
            claim_id = self._tickets.claim_id(written, key_sha256(identity.public_key), now_ms)
            row = session.get(ClaimRow, claim_id, with_for_update=lock)
            newest = None if row is None else claims.of_tpm(session, row.device)
            if newest is not row:
                raise ClaimError("the claim for this TPM has been replaced by another: enrol again")
        if row is None:
            raise ClaimError(_UNKNOWN)
        return row

    def _proven(self, session: Session, device: DeviceTopics, nonce: str, signature: str) -> Enrolment:
        topic = Topic(device.tenant, device.site, device.device, None, "birth")
        found = register.enrolled_at(session, topic)
        if found is None:
            raise RefusedError(f"{_name(device)} is not enrolled, or is revoked")
        renewal.verify(found.public_key, _name(device), nonce, signature)
        return found

    def _spend(self, session: Session, nonce: str, until_ms: int, now_ms: int) -> None:
        if session.get(SpentNonceRow, nonce) is not None:
            raise RefusedError("the nonce was used before")
        session.execute(delete(SpentNonceRow).where(SpentNonceRow.expires_ms <= now_ms))
        session.add(SpentNonceRow(nonce=nonce, expires_ms=until_ms))
        session.flush()

    def _check_grace(self, session: Session, enrolment: Enrolment, now_ms: int) -> None:
        newest = certificates.newest_of(session, enrolment.device.device, enrolment.public_key)
        ended_ms = enrolment.enrolled_ms + round(self._issuer.days * DAY_MS)
        if newest is not None:
            ended_ms = newest.ends_ms
        if now_ms > ended_ms + self._grace_ms:
            raise RefusedError(
                f"the certificate of {_name(enrolment.device)} is over for more than "
                f"{self._grace_ms / DAY_MS:g} days: it takes a new claim"
            )

    def _granted(self, session: Session, enrolment: Enrolment, now_ms: int) -> Granted:
        row: CertificateRow = certificates.current(session, self._issuer, enrolment, now_ms)
        return Granted(row.pem, enrolment.cameras, row.ends_ms, due_ms(row), now_ms)


class _OfTwoKeysError(ClaimError):
    """A claim that was used is brought with another key."""


def _place(name: str) -> DeviceTopics:
    if len(name) > _MAX_NAME:
        raise AuthorityError(f"a name of {len(name)} characters is not TENANT/SITE/DEVICE")
    return device_named(name)


def _name(device: DeviceTopics) -> str:
    return f"{device.tenant}/{device.site}/{device.device}"
