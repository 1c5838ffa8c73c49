"""A small certificate authority: who may connect to the broker, and under which name.

    authority (P-256, signs nothing but leaves)
       |-- server     for TLS of the broker: host names and addresses
       |-- device     common name = device id, URI = mirage:TENANT/SITE/DEVICE, for clients only
       |-- client     common name = a role of cloud/acl.py, for clients only
       |-- signer     common name = who signs contents (C2PA)
       '-- revocation list

Keys, times and names come in, PEM goes out. It reads neither clocks nor files; serial numbers are random.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import (
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cloud.certificate import AuthorityError, check_key, extension_of, uri_of
from wire.topics import DeviceTopics

_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when something is valid; both with a time zone."""

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        if self.since.tzinfo is None or self.until.tzinfo is None:
            raise AuthorityError("times of a certificate need a time zone")
        if self.since >= self.until:
            raise AuthorityError(f"a certificate cannot end ({self.until}) before it begins ({self.since})")


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate that may sign others, with its key."""

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey

    def __post_init__(self) -> None:
        if self.certificate.public_key() != self.key.public_key():
            raise AuthorityError("the authority's key is not that of its certificate")
        constraints = extension_of(self.certificate, x509.BasicConstraints)
        if constraints is None or not constraints.ca:
            raise AuthorityError("the certificate may not sign others")


def new_authority(key: EllipticCurvePrivateKey, name: str, validity: Validity) -> Authority:
    """Make an authority that trusts itself."""
    public_key = check_key(key.public_key())
    builder = (
        _begun(_named(name), _named(name), public_key, validity)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
    return Authority(builder.sign(key, SHA256()), key)


def server_certificate(
    authority: Authority, key: EllipticCurvePublicKey, hosts: Sequence[str], validity: Validity
) -> bytes:
    """Certify a broker that is reached under these names and addresses."""
    if not hosts:
        raise AuthorityError("a server needs a name or an address")
    names = [_host(host) for host in hosts]
    return _leaf(authority, key, hosts[0], names, ExtendedKeyUsageOID.SERVER_AUTH, validity)


def device_certificate(
    authority: Authority, key: EllipticCurvePublicKey, device: DeviceTopics, validity: Validity
) -> bytes:
    """Certify a device's key."""
    names = [x509.UniformResourceIdentifier(uri_of(device))]
    return _leaf(authority, key, device.device, names, ExtendedKeyUsageOID.CLIENT_AUTH, validity)


def client_certificate(
    authority: Authority, key: EllipticCurvePublicKey, user: str, validity: Validity
) -> bytes:
    """Certify whoever is no device; `user` is a role's name at the broker."""
    if "." not in user:
        raise AuthorityError(f"user {user!r} could be a device: a role's name has a dot")
    return _leaf(authority, key, user, [], ExtendedKeyUsageOID.CLIENT_AUTH, validity)


def signer_certificate(
    authority: Authority, key: EllipticCurvePublicKey, name: str, validity: Validity
) -> bytes:
    """Certify who signs C2PA manifests, for which e-mail protection is one of the purposes that will do."""
    return _leaf(authority, key, name, [], ExtendedKeyUsageOID.EMAIL_PROTECTION, validity)


def revocation_list(authority: Authority, serials: Iterable[int], number: int, validity: Validity) -> bytes:
    """List what is no longer valid; when the list itself is over, Mosquitto lets nobody in."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(validity.since)
        .next_update(validity.until)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(_issuer(authority), critical=False)
    )
    for serial in sorted(set(serials)):
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(validity.since)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(authority.key, SHA256()).public_bytes(Encoding.PEM)


def _leaf(
    authority: Authority,
    key: EllipticCurvePublicKey,
    name: str,
    names: Sequence[x509.GeneralName],
    purpose: x509.ObjectIdentifier,
    validity: Validity,
) -> bytes:
    ends = authority.certificate.not_valid_after_utc  # whole seconds, as all times in certificates
    if validity.until.replace(microsecond=0) > ends:
        raise AuthorityError(f"a certificate until {validity.until} would outlive its authority")
    builder = (
        _begun(_named(name), authority.certificate.subject, check_key(key), validity)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage("digital_signature"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(_issuer(authority), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(authority.key, SHA256()).public_bytes(Encoding.PEM)


def _begun(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePublicKey, validity: Validity
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity.since)
        .not_valid_after(validity.until)
    )


def _named(name: str) -> x509.Name:
    try:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    except ValueError as error:
        raise AuthorityError(f"name {name!r}: {error}") from error


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host)
    except ValueError as error:
        raise AuthorityError(f"host {host!r}: {error}") from error


def _issuer(authority: Authority) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())


def _usage(*allowed: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in allowed for usage in _USAGES})
