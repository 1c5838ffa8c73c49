"""A claim for a TPM: who gets a ticket, and what it is good for. Here software reads what the TPM would."""

import base64
from collections.abc import Callable
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import func, select

from cloud import enrolment as register
from cloud.certificate import identity_of
from cloud.identity import alarms, claims
from cloud.identity.certificates import key_sha256
from cloud.identity.claims import ClaimError
from cloud.identity.credential import CredentialError
from cloud.identity.registrar import Granted
from cloud.identity.tickets import VALID_MS, Tickets
from cloud.schema import ClaimRow
from cloud.store import Store
from tests.cloud.identity.test_credential import public_area
from tests.cloud.identity.test_registrar import DOOR, NAME, NOW_MS, Office
from tests.pki import new_key
from tests.requests_for import request_for
from wire.topics import DeviceTopics

AK = public_area()
YARD = DeviceTopics("acme", "north", "edge-2")


class Chip:
    """An endorsement key, of which only the public half is asked."""

    def __init__(self) -> None:
        spki = new_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.ek = spki
        self.ek_sha256 = sha256(spki).digest()


class TpmOffice(Office):
    """Knows devices by their TPMs, and reads tickets as a TPM would."""

    def know(self, chip: Chip, device: DeviceTopics = DOOR, *, hours: int = 24) -> str:
        until_ms = self.now_ms + hours * 3_600_000
        with self.store.write() as session:
            made = claims.create_for_tpm(session, device, ["door"], chip.ek_sha256, self.now_ms, until_ms)
        return made.id

    def ticket(self, chip: Chip, key: EllipticCurvePrivateKey, place: str = NAME) -> str:
        head = self.registrar.invite(request_for(key, place), chip.ek, AK).ticket
        claim_id, until = head.split("_")[1:]
        made = Tickets(self.issuer.authority.key).make(
            claim_id, key_sha256(key.public_key()), int(until) - VALID_MS
        )
        assert made.head == head
        return f"{head}_{base64.urlsafe_b64encode(made.secret).decode().rstrip('=')}"

    def enrol(self, chip: Chip, key: EllipticCurvePrivateKey) -> Granted:
        return self.redeem(self.ticket(chip, key), key)


@pytest.fixture
def office(any_store: Store) -> TpmOffice:
    return TpmOffice(any_store)


def test_the_tpm_that_is_known_enrols_and_the_same_key_again(office: TpmOffice) -> None:
    chip, key = Chip(), new_key()
    office.know(chip)
    first = office.enrol(chip, key)
    assert identity_of(first.certificate).public_key == key.public_key()
    assert office.enrol(chip, key).certificate == first.certificate
    assert office.alarms() == []


def test_tickets_are_not_stored(office: TpmOffice) -> None:
    chip = Chip()
    office.know(chip)
    for _ in range(5):
        office.ticket(chip, new_key())
    with office.store.read() as session:
        assert session.scalar(select(func.count()).select_from(ClaimRow)) == 1


def test_another_key_of_the_same_tpm_is_refused_and_the_operator_told(office: TpmOffice) -> None:
    chip, key = Chip(), new_key()
    office.know(chip)
    office.enrol(chip, key)
    other = new_key()
    ticket = office.ticket(chip, other)
    assert office.alarms() == [], "to know a public key proves nothing"
    with pytest.raises(ClaimError, match="used by another key"):
        office.redeem(ticket, other)
    assert office.alarms() == [(NAME, alarms.CLAIM_OF_TWO, 1)]
    office.now_ms += 1
    office.know(chip)  # a person allows it
    assert identity_of(office.enrol(chip, other).certificate).public_key == other.public_key()
    with pytest.raises(ClaimError, match="used by another key"):
        office.enrol(chip, key)


def test_a_tpm_that_is_not_the_devices_gets_no_ticket(office: TpmOffice) -> None:
    door, yard = Chip(), Chip()
    office.know(door)
    office.know(yard, YARD)
    office.ticket(yard, new_key(), "acme/north/edge-2")
    wrong = [(yard, NAME), (door, "acme/north/edge-2"), (Chip(), NAME), (door, "acme/north/edge-3")]
    for chip, place in [*wrong, (door, "acme/south/edge-1"), (door, "other/north/edge-1")]:
        with pytest.raises(ClaimError, match="is not known by this TPM"):
            office.ticket(chip, new_key(), place)


def test_a_device_that_has_a_claim_with_a_secret_gets_no_ticket(office: TpmOffice) -> None:
    office.claim()
    with pytest.raises(ClaimError, match="is not known by this TPM"):
        office.ticket(Chip(), new_key())


def test_another_board_takes_the_place_of_the_first(office: TpmOffice) -> None:
    first, second, key = Chip(), Chip(), new_key()
    office.know(first)
    ticket = office.ticket(first, key)
    office.now_ms += 1
    office.know(second)
    with pytest.raises(ClaimError, match="replaced by another"):
        office.redeem(ticket, key)
    with pytest.raises(ClaimError, match="is not known by this TPM"):
        office.ticket(first, key)
    office.enrol(second, key)


def test_a_ticket_is_for_ten_minutes(office: TpmOffice) -> None:
    chip, key = Chip(), new_key()
    office.know(chip)
    ticket = office.ticket(chip, key)
    office.now_ms = NOW_MS + VALID_MS
    with pytest.raises(ClaimError, match="the ticket is over"):
        office.redeem(ticket, key)
    office.now_ms -= 1
    office.redeem(ticket, key)


def test_a_ticket_that_somebody_has_seen_is_of_no_use_to_another_key(office: TpmOffice) -> None:
    chip, key, thief = Chip(), new_key(), new_key()
    office.know(chip)
    ticket = office.ticket(chip, key)
    with pytest.raises(ClaimError, match="not given to this key"):
        office.redeem(ticket, thief)
    assert office.alarms() == []
    granted = office.redeem(ticket, key)
    assert office.redeem(ticket, key).certificate == granted.certificate, "the answer may have been lost"


@pytest.mark.parametrize(
    "change",
    [
        lambda ticket: ticket[:-44],
        lambda ticket: f"{ticket[:-43]}{'A' * 43}",
        lambda ticket: ticket.replace(str(NOW_MS + VALID_MS), str(NOW_MS + 10 * VALID_MS)),
        lambda ticket: f"mrt_{'0' * 12}{ticket[16:]}",
        lambda ticket: f"{ticket}=",
    ],
    ids=["open half", "guessed", "longer", "of another claim", "written otherwise"],
)
def test_a_ticket_that_was_changed_is_refused(office: TpmOffice, change: Callable[[str], str]) -> None:
    chip, key = Chip(), new_key()
    office.know(chip)
    ticket = office.ticket(chip, key)
    assert change(ticket) != ticket
    with pytest.raises(ClaimError, match="ticket"):
        office.redeem(change(ticket), key)


def test_a_claim_that_is_over_or_taken_back_gets_no_ticket_and_ends_one(office: TpmOffice) -> None:
    chip, key = Chip(), new_key()
    claim_id = office.know(chip, hours=1)
    ticket = office.ticket(chip, key)
    with office.store.write() as session:
        claims.revoke(session, claim_id, office.now_ms)
    with pytest.raises(ClaimError, match="revoked"):
        office.redeem(ticket, key)
    with pytest.raises(ClaimError, match="claim for this TPM is revoked"):
        office.ticket(chip, key)
    office.now_ms += 1
    office.know(chip, hours=1)
    office.now_ms += 3_600_000
    with pytest.raises(ClaimError, match="claim for this TPM is expired"):
        office.ticket(chip, key)


def test_a_revoked_device_stays_out_until_a_person_lets_it_in(office: TpmOffice) -> None:
    chip, key = Chip(), new_key()
    office.know(chip)
    office.enrol(chip, key)
    with office.store.write() as session:
        register.revoke(session, DOOR.device, office.now_ms)
    with pytest.raises(ClaimError, match="has been revoked"):
        office.enrol(chip, key)
    office.now_ms += 1
    office.know(chip)
    office.enrol(chip, key)


def test_a_device_revoked_before_its_tpm_came_stays_out(office: TpmOffice) -> None:
    chip, key = Chip(), new_key()
    office.redeem(office.claim(), key)
    office.know(chip)
    with office.store.write() as session:
        register.revoke(session, DOOR.device, office.now_ms)
    with pytest.raises(ClaimError, match="was revoked after this claim was made"):
        office.enrol(chip, key)


def test_keys_that_prove_nothing_are_refused(office: TpmOffice) -> None:
    chip, request = Chip(), request_for(new_key(), NAME)
    office.know(chip)
    with pytest.raises(CredentialError, match="restricted"):
        office.registrar.invite(request, chip.ek, public_area(attributes=0x40072))
    with pytest.raises(CredentialError, match="no public key"):
        office.registrar.invite(request, chip.ek[:-1], AK)
