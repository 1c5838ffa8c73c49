"""Devices in the register, the broker's access list, and the cloud's own key."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from rich.table import Table
from rich.text import Text

from cloud import acl as access
from cloud import enrolment as register
from cloud.acl import Grant
from cloud.certificate import AuthorityError, identity_of
from cloud.clock import wall_ms
from cloud.config import load
from cloud.enrolment import Enrolment
from cloud.identity import alarms, certificates
from cloud.identity.alarms import AlarmView
from cloud.identity.certificates import key_sha256
from cloud.store import Store
from mirage.errors import InputError
from mirage.output import as_json, print_line, print_tables, read_input, write_whole
from mirage.secret_file import write_cloud_keys

_NOW_ACL = "the broker learns it from: mirage cloud acl"


def enrol(config: Path, certificate: Path, cameras: Sequence[str], *, again: bool) -> None:
    """Enrol the device that a certificate or a request names."""
    try:
        pem = read_input(certificate)
        identity = identity_of(pem)
    except AuthorityError as error:
        raise InputError(f"{certificate}: {error}") from error
    enrolment = Enrolment(identity.device, tuple(cameras), identity.public_key, wall_ms())
    with _store(config) as store, store.write() as session:
        register.enrol(session, enrolment, again=again)
        if b"CERTIFICATE REQUEST-----" not in pem:
            certificates.note(
                session, identity.device, pem, enrolment.enrolled_ms
            )  # so that it can be revoked
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
        raised = alarms.alarms_of(session)
        ends = certificates.ends_by_key(session)
        until = {each.device.device: ends.get(key_sha256(each.public_key)) for each in enrolments}
    if json:
        devices = [_document(each) | {"ends_ms": until[each.device.device]} for each in enrolments]
        print_line(as_json({"devices": devices, "alarms": raised}))
        return
    table = Table("device", "cameras", "key", "enrolled", "certificate until", "revoked")
    for each in enrolments:
        table.add_row(
            _place(each),
            " ".join(each.cameras),
            fingerprint(each.public_key)[:16],
            _day(each.enrolled_ms),
            _day(until[each.device.device]),
            _day(each.revoked_ms),
        )
    print_tables(table, *(Text(_alarm_line(alarm)) for alarm in raised))


def settle(config: Path, device: str) -> None:
    """Forget the alarms of a device."""
    with _store(config) as store, store.write() as session:
        count = alarms.settle(session, device)
    if not count:
        raise InputError(f"{device}: there is no alarm of this device")
    print_line(f"{device}: {count} settled")


@dataclass(frozen=True, slots=True)
class Roles:
    """Who connects to the broker and is no device."""

    grants: Sequence[Grant]

    @classmethod
    def of(
        cls,
        clouds: Sequence[str],
        subscribers: Sequence[str] | None = None,
        monitors: Sequence[str] | None = None,
        bridges: Sequence[str] | None = None,
    ) -> "Roles":
        """Read NAME, and NAME=TENANT of subscribers and bridges. Raises InputError, AclError."""
        return cls(
            [
                *(access.of_cloud(name) for name in clouds),
                *(access.of_subscriber(*_named("subscriber", each)) for each in subscribers or ()),
                *(access.of_bridge(*_named("bridge", each)) for each in bridges or ()),
                *(access.of_monitor(name) for name in monitors or ()),
            ]
        )


def write_acl(config: Path, output: Path, roles: Roles) -> None:
    """Write the access list for all enrolled devices and these roles."""
    with _store(config) as store, store.read() as session:
        enrolments = register.enrolments_of(session)
    write_whole(output, access.acl(enrolments, roles.grants).encode())
    devices = sum(enrolment.revoked_ms is None for enrolment in enrolments)
    print_line(f"{output}: {devices} devices, {len(roles.grants)} roles; the broker reads it again at SIGHUP")


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


def _named(option: str, text: str) -> tuple[str, str]:
    """Take NAME=TENANT apart."""
    name, separator, tenant = text.partition("=")
    if not separator:
        raise InputError(f"--{option} {text!r} is not NAME=TENANT")
    return name, tenant


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


def _alarm_line(alarm: AlarmView) -> str:
    seen = f"{alarm.times} times, last {_day(alarm.last_ms)}"
    return f"! {alarm.device}: {alarm.detail} ({seen}; mirage cloud settle {alarm.device.rpartition('/')[2]})"


def _place(enrolment: Enrolment) -> str:
    device = enrolment.device
    return f"{device.tenant}/{device.site}/{device.device}"


def _day(time_ms: int | None) -> str:
    return (
        "" if time_ms is None else f"{datetime.fromtimestamp(time_ms / 1000, timezone.utc):%Y-%m-%d %H:%M}Z"
    )
