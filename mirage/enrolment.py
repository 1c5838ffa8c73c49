"""Devices in the register, the broker's access list, and the cloud's own key."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from rich.table import Table

from cloud import acl as access
from cloud import enrolment as register
from cloud.acl import Grant
from cloud.certificate import AuthorityError, identity_of
from cloud.clock import wall_ms
from cloud.config import load
from cloud.enrolment import Enrolment
from cloud.store import Store
from mirage.errors import InputError
from mirage.output import as_json, print_line, print_tables, read_input, write_whole
from mirage.secret_file import write_cloud_keys

_NOW_ACL = "the broker learns it from: mirage cloud acl"


def enrol(config: Path, certificate: Path, cameras: Sequence[str], *, again: bool) -> None:
    """Enrol the device that a certificate or a request names."""
    try:
        identity = identity_of(read_input(certificate))
    except AuthorityError as error:
        raise InputError(f"{certificate}: {error}") from error
    enrolment = Enrolment(identity.device, tuple(cameras), identity.public_key, wall_ms())
    with _store(config) as store, store.write() as session:
        register.enrol(session, enrolment, again=again)
    print_line(f"{_place(enrolment)}: enrolled, key {fingerprint(identity.public_key)}; {_NOW_ACL}")


def revoke(config: Path, device: str) -> None:
    """Let a device speak no more."""
    with _store(config) as store, store.write() as session:
        enrolment = register.revoke(session, device, wall_ms())
    print_line(f"{_place(enrolment)}: revoked {_day(enrolment.revoked_ms)}; {_NOW_ACL}")


def list_devices(config: Path, *, json: bool) -> None:
    """List the register."""
    with _store(config) as store, store.read() as session:
        enrolments = register.enrolments_of(session)
    if json:
        print_line(as_json({"devices": [_document(enrolment) for enrolment in enrolments]}))
        return
    table = Table("device", "cameras", "key", "enrolled", "revoked")
    for each in enrolments:
        table.add_row(
            _place(each),
            " ".join(each.cameras),
            fingerprint(each.public_key)[:16],
            _day(each.enrolled_ms),
            _day(each.revoked_ms),
        )
    print_tables(table)


def write_acl(
    config: Path, output: Path, clouds: Sequence[str], subscribers: Sequence[str], monitors: Sequence[str]
) -> None:
    """Write the access list for all enrolled devices and these roles."""
    roles = [
        *(access.of_cloud(name) for name in clouds),
        *(_subscriber(each) for each in subscribers),
        *(access.of_monitor(name) for name in monitors),
    ]
    with _store(config) as store, store.read() as session:
        enrolments = register.enrolments_of(session)
    write_whole(output, access.acl(enrolments, roles).encode())
    devices = sum(enrolment.revoked_ms is None for enrolment in enrolments)
    print_line(f"{output}: {devices} devices, {len(roles)} roles; the broker reads it again at SIGHUP")


def make_keys(folder: Path) -> None:
    """Make the cloud's key pair in a folder; both halves are new, or nothing is written."""
    secret, public = write_cloud_keys(folder)
    print_line(f"{secret}: stays with the cloud; {public}: goes to each device, as broker.cloud_key")


def fingerprint(key: EllipticCurvePublicKey) -> str:
    """Name a key by the SHA-256 of its SPKI, in hexadecimal digits."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


@contextmanager
def _store(config: Path) -> Iterator[Store]:
    store = Store(load(config).store.url)
    try:
        yield store
    finally:
        store.close()


def _subscriber(text: str) -> Grant:
    name, separator, tenant = text.partition("=")
    if not separator:
        raise InputError(f"--subscriber {text!r} is not NAME=TENANT")
    return access.of_subscriber(name, tenant)


def _document(enrolment: Enrolment) -> dict[str, object]:
    device = enrolment.device
    return {
        "tenant": device.tenant,
        "site": device.site,
        "device": device.device,
        "cameras": enrolment.cameras,
        "key_sha256": fingerprint(enrolment.public_key),
        "enrolled_ms": enrolment.enrolled_ms,
        "revoked_ms": enrolment.revoked_ms,
    }


def _place(enrolment: Enrolment) -> str:
    device = enrolment.device
    return f"{device.tenant}/{device.site}/{device.device}"


def _day(time_ms: int | None) -> str:
    return (
        "" if time_ms is None else f"{datetime.fromtimestamp(time_ms / 1000, timezone.utc):%Y-%m-%d %H:%M}Z"
    )
