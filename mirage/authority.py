"""A certificate authority in a folder, for a small fleet or for development.

ca.pem, ca.key     the authority; who has the key decides who connects
crl.pem            what is revoked; over when the authority is
issued/            a copy of each certificate, so that it can be revoked by its name
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import CertificateRevocationList, CRLNumber, load_pem_x509_crl
from cryptography.x509.oid import NameOID

from cloud.authority import (
    Authority,
    Validity,
    client_certificate,
    device_certificate,
    new_authority,
    revocation_list,
    server_certificate,
    signer_certificate,
)
from cloud.certificate import AuthorityError, certificate_of, device_named, identity_of
from mirage.errors import InputError
from mirage.output import print_line, read_input, write_whole
from mirage.secret_file import new_signing_key, read_signing_key, refuse_existing, write_key

_SLACK = timedelta(days=1)  # clocks of devices and broker that are behind
Certify = Callable[[Authority, EllipticCurvePublicKey, Validity], bytes]


def new(folder: Path, name: str, days: int) -> None:
    """Make an authority, and its empty revocation list."""
    refuse_existing(folder / "ca.pem", folder / "ca.key")
    authority = new_authority(new_signing_key(), name, _validity(days))
    write_key(folder / "ca.key", authority.key)
    _write_revocations(folder, authority, [], 1)
    write_whole(folder / "ca.pem", authority.certificate.public_bytes(Encoding.PEM))
    print_line(f"{folder / 'ca.pem'}: {name}, for {days} days; keep {folder / 'ca.key'} where nobody gets it")


def issue_server(folder: Path, output: Path, hosts: Sequence[str], days: int) -> None:
    """Certify a broker, with a new key."""
    _issue(folder, output, days, lambda ca, key, valid: server_certificate(ca, key, hosts, valid))


def issue_client(folder: Path, output: Path, user: str, days: int) -> None:
    """Certify a role, with a new key."""
    _issue(folder, output, days, lambda ca, key, valid: client_certificate(ca, key, user, valid))


def issue_signer(folder: Path, output: Path, name: str, days: int) -> None:
    """Certify who signs C2PA manifests, with a new key; what is written is the chain."""
    _issue(folder, output, days, lambda ca, key, valid: signer_certificate(ca, key, name, valid))
    chain = read_input(output.with_name(f"{output.name}.pem")) + read_input(folder / "ca.pem")
    write_whole(output.with_name(f"{output.name}.pem"), chain)


def issue_device(folder: Path, output: Path, name: str, request: Path | None, days: int) -> None:
    """Certify a device: the key of its request, which must be for the same device, or a new one."""
    device = device_named(name)
    public_key = None
    if request is not None:
        identity = identity_of(read_input(request))
        if identity.device != device:
            raise InputError(f"{request}: is of {identity.device.root}, not of {name}")
        public_key = identity.public_key
    _issue(
        folder, output, days, lambda ca, key, valid: device_certificate(ca, key, device, valid), public_key
    )


def revoke(folder: Path, name: str) -> None:
    """Revoke all certificates that were issued to a common name so far."""
    authority = _read(folder)
    listed = _revocations(folder / "crl.pem")
    number = listed.extensions.get_extension_for_class(CRLNumber).value.crl_number
    issued = [certificate_of(read_input(path)) for path in sorted((folder / "issued").glob("*.pem"))]
    serials = [
        each.serial_number
        for each in issued
        if [attribute.value for attribute in each.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        == [name]
    ]
    if not serials:
        raise InputError(f"{folder / 'issued'}: no certificate of {name!r}")
    _write_revocations(folder, authority, [*(each.serial_number for each in listed), *serials], number + 1)
    print_line(f"{folder / 'crl.pem'}: {len(serials)} of {name}; the broker reads it again at SIGHUP")


def _issue(
    folder: Path, output: Path, days: int, certify: Certify, public_key: EllipticCurvePublicKey | None = None
) -> None:
    certificate, secret = output.with_name(f"{output.name}.pem"), output.with_name(f"{output.name}.key")
    refuse_existing(certificate)
    own = new_signing_key()
    pem = certify(_read(folder), public_key or own.public_key(), _validity(days))
    if public_key is None:
        write_key(secret, own)
    serial = certificate_of(pem).serial_number
    write_whole(folder / "issued" / f"{serial:x}.pem", pem)
    write_whole(certificate, pem)
    print_line(f"{certificate}: for {days} days")


def _read(folder: Path) -> Authority:
    try:
        return Authority(certificate_of(read_input(folder / "ca.pem")), read_signing_key(folder / "ca.key"))
    except AuthorityError as error:
        raise InputError(f"{folder}: {error}") from error


def _revocations(path: Path) -> CertificateRevocationList:
    try:
        return load_pem_x509_crl(read_input(path))
    except ValueError as error:
        raise InputError(f"{path}: no list of revocations in PEM") from error


def _write_revocations(folder: Path, authority: Authority, serials: Sequence[int], number: int) -> None:
    until = authority.certificate.not_valid_after_utc
    valid = Validity(_validity(1).since, until)
    write_whole(folder / "crl.pem", revocation_list(authority, serials, number, valid))


def _validity(days: int) -> Validity:
    now = datetime.now(timezone.utc)
    return Validity(now - _SLACK, now + timedelta(days=days))
