"""The register of devices: an id is taken once, and only an explicit word changes a key."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurvePublicKey,
    generate_private_key,
)

from cloud.enrolment import Enrolment, EnrolmentError, enrol, enrolments_of, public_key_of, revoke
from cloud.identity import claims
from cloud.identity.claims import ClaimError
from cloud.store import Store
from wire.topics import DeviceTopics, Topic, parse

DOOR = DeviceTopics("acme", "north", "edge-1")


def new_key() -> EllipticCurvePublicKey:
    return generate_private_key(SECP256R1()).public_key()


def wanted(device: DeviceTopics = DOOR, key: EllipticCurvePublicKey | None = None) -> Enrolment:
    return Enrolment(device, ("door", "yard"), key or new_key(), 1000)


def birth_of(device: DeviceTopics = DOOR) -> Topic:
    return parse(device.birth)


def test_the_key_of_an_enrolled_device_is_found_by_its_topics(store: Store) -> None:
    first, second = wanted(), wanted(DeviceTopics("acme", "south", "edge-2"))
    with store.write() as session:
        enrol(session, first)
        enrol(session, second)
    with store.read() as session:
        assert public_key_of(session, birth_of()) == first.public_key
        assert public_key_of(session, parse(DOOR.sem("door"))) == first.public_key
        assert public_key_of(session, birth_of(second.device)) == second.public_key
        assert enrolments_of(session) == [first, second]


@pytest.mark.parametrize(
    "place",
    [
        DeviceTopics("acme", "north", "edge-2"),
        DeviceTopics("acme", "south", "edge-1"),
        DeviceTopics("rival", "north", "edge-1"),
    ],
)
def test_a_device_that_is_not_enrolled_at_this_place_has_no_key(store: Store, place: DeviceTopics) -> None:
    with store.write() as session:
        enrol(session, wanted())
        assert public_key_of(session, birth_of(place)) is None


def test_a_device_is_not_called_by_dashes_alone(store: Store) -> None:
    dash = DeviceTopics("acme", "north", "-")
    with store.write() as session:
        with pytest.raises(EnrolmentError, match="device '-' has neither a letter nor a digit"):
            enrol(session, wanted(dash))
        with pytest.raises(ClaimError, match="-: device '-' has neither a letter nor a digit"):
            claims.create(session, dash, ["door"], 1000, 2000)
        with pytest.raises(ClaimError, match="camera '--' has neither"):
            claims.create(session, DOOR, ["--"], 1000, 2000)
        enrol(session, wanted())
        assert [each.device for each in enrolments_of(session)] == [DOOR]


def test_a_revoked_device_has_no_key_and_stays_in_the_list(store: Store) -> None:
    with store.write() as session:
        enrol(session, wanted())
        assert revoke(session, "edge-1", 5000).revoked_ms == 5000
        assert public_key_of(session, birth_of()) is None
        assert revoke(session, "edge-1", 9000).revoked_ms == 5000
        assert [enrolment.revoked_ms for enrolment in enrolments_of(session)] == [5000]


def test_only_an_enrolled_device_can_be_revoked(store: Store) -> None:
    with store.write() as session, pytest.raises(EnrolmentError, match="edge-9: no device of this id"):
        revoke(session, "edge-9", 5000)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize(
    "place", [DeviceTopics("acme", "south", "edge-1"), DeviceTopics("rival", "north", "edge-1")]
)
def test_an_id_is_taken_once_in_all_tenants_and_sites(
    store: Store, place: DeviceTopics, *, again: bool
) -> None:
    with store.write() as session:
        enrol(session, wanted())
        with pytest.raises(EnrolmentError, match="edge-1: this id is taken by acme/north/edge-1"):
            enrol(session, wanted(place), again=again)


def test_the_id_of_a_revoked_device_is_not_free_elsewhere(store: Store) -> None:
    with store.write() as session:
        enrol(session, wanted())
        revoke(session, "edge-1", 5000)
        with pytest.raises(EnrolmentError, match="taken by acme/north/edge-1"):
            enrol(session, wanted(DeviceTopics("rival", "north", "edge-1")), again=True)


def test_two_devices_cannot_have_one_key(store: Store) -> None:
    first = wanted()
    with store.write() as session:
        enrol(session, first)
        with pytest.raises(EnrolmentError, match="edge-2: its key is that of acme/north/edge-1"):
            enrol(session, replace(first, device=DeviceTopics("acme", "north", "edge-2")))


def test_a_new_key_takes_an_explicit_word(store: Store) -> None:
    renewed = wanted()
    with store.write() as session:
        enrol(session, wanted())
        with pytest.raises(EnrolmentError, match="has another key"):
            enrol(session, renewed)
        enrol(session, renewed, again=True)
        assert public_key_of(session, birth_of()) == renewed.public_key
        assert len(enrolments_of(session)) == 1


def test_a_revoked_device_comes_back_by_an_explicit_word_only(store: Store) -> None:
    first = wanted()
    with store.write() as session:
        enrol(session, first)
        revoke(session, "edge-1", 5000)
        with pytest.raises(EnrolmentError, match="is revoked"):
            enrol(session, first)
        enrol(session, first, again=True)
        assert public_key_of(session, birth_of()) == first.public_key


def test_a_device_gets_another_camera_without_further_ado(store: Store) -> None:
    first = wanted()
    with store.write() as session:
        enrol(session, first)
        enrol(session, replace(first, cameras=("gate",)))
        assert [enrolment.cameras for enrolment in enrolments_of(session)] == [("gate",)]


@pytest.mark.parametrize(
    ("cameras", "reason"),
    [
        ((), "0 cameras"),
        (("door", "door"), "not all different"),
        (("ack",), "reserved"),
        (("door\ntopic write #",), "a-z"),
        (tuple(f"c{number}" for number in range(65)), "65 cameras"),
    ],
)
def test_cameras_that_no_device_can_have_are_refused(cameras: tuple[str, ...], reason: str) -> None:
    with pytest.raises(EnrolmentError, match=reason):
        Enrolment(DOOR, cameras, new_key(), 0)


def test_a_key_of_another_curve_is_refused() -> None:
    with pytest.raises(EnrolmentError, match="secp384r1 is not P-256"):
        Enrolment(DOOR, ("door",), generate_private_key(SECP384R1()).public_key(), 0)
