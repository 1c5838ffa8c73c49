"""Claims against certificates: once, for one device, to one key; and renewals by that key alone."""

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from sqlalchemy import select

from cloud import enrolment as register
from cloud.authority import Validity, new_authority
from cloud.certificate import AuthorityError, certificate_of, identity_of
from cloud.identity import alarms, certificates, claims
from cloud.identity.certificates import DAY_MS, Issuer
from cloud.identity.challenges import VALID_MS
from cloud.identity.claims import ClaimError
from cloud.identity.registrar import Granted, RefusedError, Registrar
from cloud.schema import ClaimRow
from cloud.store import Store
from tests.pki import new_key
from tests.requests_for import request_for
from wire import renewal
from wire.topics import DeviceTopics

DOOR = DeviceTopics("acme", "north", "edge-1")
NAME = "acme/north/edge-1"
NOW_MS = 1_790_000_000_000
DAYS = 90


def authority_of_ten_years() -> Issuer:
    now = datetime.fromtimestamp(NOW_MS / 1000, timezone.utc)
    validity = Validity(now - timedelta(days=1), now + timedelta(days=3650))
    return Issuer(new_authority(new_key(), "Test", validity), DAYS)


@dataclass
class Office:
    """A registrar whose clock stands still until it is set."""

    store: Store
    issuer: Issuer = field(default_factory=authority_of_ten_years)
    now_ms: int = NOW_MS

    @property
    def registrar(self) -> Registrar:
        return Registrar(self.store, self.issuer, 180, lambda: self.now_ms)

    def claim(self, device: DeviceTopics = DOOR, *, hours: int = 24) -> str:
        until_ms = self.now_ms + hours * 3_600_000
        with self.store.write() as session:
            return claims.create(session, device, ["door", "yard"], self.now_ms, until_ms).secret

    def redeem(self, claim: str, key: EllipticCurvePrivateKey, place: str = NAME) -> Granted:
        return self.registrar.redeem(claim, request_for(key, place))

    def renew(self, key: EllipticCurvePrivateKey, name: str = NAME) -> Granted:
        nonce = self.registrar.challenge(name).nonce
        return self.registrar.renew(name, nonce, renewal.sign(key, name, nonce))

    def alarms(self) -> list[tuple[str, str, int]]:
        with self.store.read() as session:
            return [(each.device, each.kind, each.times) for each in alarms.alarms_of(session)]

    def revoked(self) -> set[int]:
        with self.store.read() as session:
            return certificates.revoked_serials(session, self.now_ms)


@pytest.fixture
def office(any_store: Store) -> Office:
    return Office(any_store)


def serial(granted: Granted) -> int:
    return certificate_of(granted.certificate).serial_number


def test_a_claim_enrols_its_device_with_the_key_of_the_request(office: Office) -> None:
    key = new_key()
    granted = office.redeem(office.claim(), key)
    identity = identity_of(granted.certificate)
    assert (identity.device, identity.public_key) == (DOOR, key.public_key())
    assert granted.cameras == ("door", "yard")
    certificate_of(granted.certificate).verify_directly_issued_by(office.issuer.authority.certificate)
    assert granted.ends_ms == NOW_MS + DAYS * DAY_MS
    assert granted.renew_ms == NOW_MS - DAY_MS + (DAYS + 1) * DAY_MS * 2 // 3
    with office.store.read() as session:
        (enrolled,) = register.enrolments_of(session)
    assert (enrolled.device, enrolled.cameras, enrolled.revoked_ms) == (DOOR, ("door", "yard"), None)
    assert enrolled.public_key == key.public_key()


def test_a_used_claim_gives_its_key_the_same_certificate_again_and_another_key_an_alarm(
    office: Office,
) -> None:
    claim, key = office.claim(), new_key()
    first = office.redeem(claim, key)
    assert office.redeem(claim, key).certificate == first.certificate
    assert office.alarms() == []
    for times in (1, 2):
        with pytest.raises(ClaimError, match="was used by another key"):
            office.redeem(claim, new_key())
        assert office.alarms() == [(NAME, alarms.CLAIM_OF_TWO, times)]
    with office.store.read() as session:
        (enrolled,) = register.enrolments_of(session)
    assert enrolled.public_key == key.public_key(), "whoever came first stays"


def test_of_two_that_bring_one_claim_at_once_exactly_one_wins(office: Office) -> None:
    claim, keys = office.claim(), [new_key() for _ in range(6)]
    start, won, lost = threading.Barrier(len(keys)), [], []

    def ask(key: EllipticCurvePrivateKey) -> None:
        request = request_for(key)
        start.wait()
        try:
            won.append((key, office.registrar.redeem(claim, request)))
        except ClaimError as error:
            lost.append(str(error))

    threads = [threading.Thread(target=ask, args=(key,), name=f"ask-{n}") for n, key in enumerate(keys)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, len(keys) - 1)
    with office.store.read() as session:
        (enrolled,) = register.enrolments_of(session)
    assert enrolled.public_key == won[0][0].public_key()
    assert office.alarms() == [(NAME, alarms.CLAIM_OF_TWO, len(keys) - 1)]


def test_claims_that_are_not_good_are_refused_and_enrol_nobody(office: Office) -> None:
    good, key = office.claim(), new_key()
    with office.store.write() as session:
        taken_back = claims.create(session, DOOR, ["door"], NOW_MS, NOW_MS + 1)
        claims.revoke(session, taken_back.claim.id, NOW_MS)
    short = office.claim(hours=1)
    office.now_ms += 3_600_000
    for claim, reason in [
        ("", "no such claim"),
        ("mrc_000000000000_" + "A" * 43, "no such claim"),
        (good[:-1] + ("A" if good[-1] != "A" else "B"), "no such claim"),
        (short, "is expired"),
        (taken_back.secret, "is revoked"),
    ]:
        with pytest.raises(ClaimError, match=reason):
            office.redeem(claim, key)
    with office.store.read() as session:
        assert register.enrolments_of(session) == []
    office.redeem(good, key)


@pytest.mark.parametrize("place", ["acme/south/edge-1", "rival/north/edge-1", "acme/north/edge-2"])
def test_a_claim_for_another_place_is_refused(office: Office, place: str) -> None:
    claim = office.claim()
    with pytest.raises(ClaimError, match=f"not for {place}"):
        office.redeem(claim, new_key(), place)
    office.redeem(claim, new_key())


def test_the_store_has_no_secret_of_a_claim(office: Office) -> None:
    claim = office.claim()
    with office.store.read() as session:
        row = session.scalars(select(ClaimRow)).one()
    assert claim.split("_", 2)[2] not in repr(vars(row))  # may hold more of them


def test_a_device_that_was_revoked_comes_back_by_a_newer_claim_only(office: Office) -> None:
    old, used, key = office.claim(), office.claim(), new_key()
    first = office.redeem(used, key)
    with office.store.write() as session:
        register.revoke(session, "edge-1", office.now_ms + 1)
    office.now_ms += 2
    for claim in (old, used):
        with pytest.raises(ClaimError, match="revoked"):
            office.redeem(claim, key)
    assert office.revoked() == {serial(first)}
    other = new_key()
    again = office.redeem(office.claim(), other)
    assert office.revoked() == {serial(first)}, "the former key stays out"
    assert serial(again) != serial(first)


def test_a_key_that_is_another_devices_is_refused(office: Office) -> None:
    key = new_key()
    office.redeem(office.claim(), key)
    yard = DeviceTopics("acme", "north", "edge-2")
    with pytest.raises(ClaimError, match="its key is that of acme/north/edge-1"):
        office.redeem(office.claim(yard), key, "acme/north/edge-2")


def test_a_claim_is_made_for_an_id_at_one_place_only(office: Office) -> None:
    office.claim()
    with pytest.raises(ClaimError, match="edge-1: this id is taken by acme/north/edge-1"):
        office.claim(DeviceTopics("acme", "south", "edge-1"))


def test_a_certificate_is_renewed_at_two_thirds_of_its_life_and_not_before(office: Office) -> None:
    key = new_key()
    first = office.redeem(office.claim(), key)
    assert office.renew(key).certificate == first.certificate
    office.now_ms = first.renew_ms
    second = office.renew(key)
    assert serial(second) != serial(first)
    assert second.ends_ms == office.now_ms + DAYS * DAY_MS
    assert office.renew(key).certificate == second.certificate
    assert office.revoked() == set()


def test_renewal_takes_the_key_of_the_device(office: Office) -> None:
    key = new_key()
    office.redeem(office.claim(), key)
    with pytest.raises(RefusedError, match="not signed with the key"):
        office.renew(new_key())
    with pytest.raises(RefusedError, match="acme/north/edge-9 is not enrolled"):
        office.renew(key, "acme/north/edge-9")
    with pytest.raises(RefusedError, match="acme/south/edge-1 is not enrolled"):
        office.renew(key, "acme/south/edge-1")
    with pytest.raises(AuthorityError, match="TENANT/SITE/DEVICE"):
        office.renew(key, "edge-1")
    with office.store.write() as session:
        register.revoke(session, "edge-1", office.now_ms)
    with pytest.raises(RefusedError, match="revoked"):
        office.renew(key)


def test_a_renewal_that_is_sent_again_is_refused(office: Office) -> None:
    key, other = new_key(), DeviceTopics("acme", "north", "edge-2")
    office.redeem(office.claim(), key)
    office.redeem(office.claim(other), new_key(), "acme/north/edge-2")
    nonce = office.registrar.challenge(NAME).nonce
    signature = renewal.sign(key, NAME, nonce)
    office.registrar.renew(NAME, nonce, signature)
    with pytest.raises(RefusedError, match="was used before"):
        office.registrar.renew(NAME, nonce, signature)
    with pytest.raises(RefusedError, match="not one that was given to this device"):
        office.registrar.renew("acme/north/edge-2", nonce, signature)
    with pytest.raises(RefusedError, match="not one that was given"):
        office.registrar.renew(NAME, nonce[:-4] + "AAAA", signature)
    with pytest.raises(RefusedError, match="no base64url"):
        office.registrar.renew(NAME, "ü", signature)
    late = office.registrar.challenge(NAME).nonce
    office.now_ms += VALID_MS
    with pytest.raises(RefusedError, match="is over"):
        office.registrar.renew(NAME, late, renewal.sign(key, NAME, late))


def test_a_nonce_of_one_process_is_good_in_another_and_after_a_restart(office: Office) -> None:
    key = new_key()
    office.redeem(office.claim(), key)
    nonce = office.registrar.challenge(NAME).nonce
    office.registrar.renew(NAME, nonce, renewal.sign(key, NAME, nonce))  # each `registrar` is a new one


def test_a_certificate_that_is_over_can_be_renewed_for_180_days(office: Office) -> None:
    key = new_key()
    first = office.redeem(office.claim(), key)
    office.now_ms = first.ends_ms + 180 * DAY_MS
    second = office.renew(key)
    assert second.ends_ms > office.now_ms
    office.now_ms = second.ends_ms + 180 * DAY_MS + 1
    with pytest.raises(RefusedError, match="takes a new claim"):
        office.renew(key)
    office.redeem(office.claim(), key)
    assert office.renew(key).ends_ms > office.now_ms


def test_a_certificate_does_not_outlive_its_authority(office: Office) -> None:
    key = new_key()
    granted = office.redeem(office.claim(), key)
    ends = office.issuer.authority.certificate.not_valid_after_utc
    office.now_ms = round((ends - timedelta(days=10)).timestamp() * 1000)
    office.redeem(office.claim(), key)
    renewed = office.renew(key)
    assert renewed.ends_ms > granted.ends_ms
    assert certificate_of(renewed.certificate).not_valid_after_utc <= ends
