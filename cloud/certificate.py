"""What certificates and requests for them say: which device, and with which key.

common name      edge-1                       the user name at the broker
URI              mirage:acme/north/edge-1
key              P-256
"""

from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.x509.oid import NameOID

from wire.topics import DeviceTopics, TopicError

SCHEME = "mirage:"
MAX_PEM_BYTES = 16_384
# What cryptography raises over damaged input: not all of them are ValueErrors.
_UNREADABLE = (
    ValueError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)  # fmt: skip
_Subject = x509.Certificate | x509.CertificateSigningRequest
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


class AuthorityError(ValueError):
    """A certificate, a request or a name cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a device's certificate or its request says: which device, and its key."""

    device: DeviceTopics
    public_key: EllipticCurvePublicKey


def uri_of(device: DeviceTopics) -> str:
    """Say which device this is, as certificates do."""
    return f"{SCHEME}{device.tenant}/{device.site}/{device.device}"


def identity_of(pem: bytes) -> Identity:
    """Read a device's certificate or request. That a request is signed with its own key is checked.

    Nothing says who issued a certificate: whoever enrols it vouches for it.
    """
    try:
        return _identity(_read(pem))
    except AuthorityError:
        raise
    except _UNREADABLE as error:
        raise AuthorityError(f"the certificate or request is damaged: {error}") from error


def device_named(name: str) -> DeviceTopics:
    """Read TENANT/SITE/DEVICE."""
    parts = name.split("/")
    if len(parts) != 3:
        raise AuthorityError(f"{name!r} is not TENANT/SITE/DEVICE")
    try:
        return DeviceTopics(*parts)
    except TopicError as error:
        raise AuthorityError(str(error)) from error


def certificate_of(pem: bytes) -> x509.Certificate:
    """Read a certificate."""
    subject = _read(pem)
    if not isinstance(subject, x509.Certificate):
        raise AuthorityError("this is a request, not a certificate")
    return subject


def check_key(key: object) -> EllipticCurvePublicKey:
    """Let only P-256 pass: TPMs have it, and it is what births are signed with."""
    if not isinstance(key, EllipticCurvePublicKey):
        raise AuthorityError(f"key is {type(key).__name__}, not of the curve P-256")
    if not isinstance(key.curve, SECP256R1):
        raise AuthorityError(f"key is of the curve {key.curve.name}, not P-256")
    return key


def extension_of(subject: _Subject, kind: type[_Extension]) -> _Extension | None:
    """Give the extension of this kind, if there is one."""
    try:
        return subject.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _read(pem: bytes) -> _Subject:
    if len(pem) > MAX_PEM_BYTES:
        raise AuthorityError(f"{len(pem)} bytes are too many for a certificate or a request")
    try:
        if b"CERTIFICATE REQUEST-----" in pem:
            return x509.load_pem_x509_csr(pem)
        return x509.load_pem_x509_certificate(pem)
    except _UNREADABLE as error:
        raise AuthorityError(f"no certificate or request in PEM: {error}") from error


def _identity(subject: _Subject) -> Identity:
    key = check_key(subject.public_key())
    if isinstance(subject, x509.CertificateSigningRequest) and not subject.is_signature_valid:
        raise AuthorityError("the request is not signed with the key that it names")
    names = extension_of(subject, x509.SubjectAlternativeName)
    uris = [] if names is None else names.get_values_for_type(x509.UniformResourceIdentifier)
    ours = [uri.removeprefix(SCHEME) for uri in uris if uri.startswith(SCHEME)]
    if len(ours) != 1:
        raise AuthorityError(f"{len(ours)} names of the form {SCHEME}TENANT/SITE/DEVICE, not one")
    device = device_named(ours[0])
    common = [attribute.value for attribute in subject.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if common != [device.device]:
        raise AuthorityError(f"common name {common} is not the device {device.device!r}")
    return Identity(device, key)
