"""Requests for a certificate (PKCS #10): what a device's may say, and nothing beyond it.

subject      CN = edge-1                      and no other attribute
extensions   SAN = URI:mirage:acme/north/edge-1     and no other name, no other extension
key          P-256, and the request is signed with it
"""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from cloud.certificate import MAX_PEM_BYTES, AuthorityError, Identity, extension_of, identity_of

_UNREADABLE = (ValueError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension)
_EXTENSIONS = x509.ObjectIdentifier("1.2.840.113549.1.9.14")  # extensionRequest of PKCS #9


def read_request(pem: bytes) -> Identity:
    """Read a device's request, or raise AuthorityError."""
    if len(pem) > MAX_PEM_BYTES:
        raise AuthorityError(f"{len(pem)} bytes are too many for a request")
    if b"CERTIFICATE REQUEST-----" not in pem:
        raise AuthorityError("this is no request for a certificate (PKCS #10) in PEM")
    identity = identity_of(pem)
    try:
        _check(x509.load_pem_x509_csr(pem))
    except AuthorityError:
        raise
    except _UNREADABLE as error:
        raise AuthorityError(f"the request is damaged: {error}") from error
    return identity


def _check(request: x509.CertificateSigningRequest) -> None:
    if len(list(request.subject)) != 1:
        raise AuthorityError(f"subject {request.subject.rfc4514_string()!r} says more than a common name")
    foreign = [each.oid.dotted_string for each in request.attributes if each.oid != _EXTENSIONS]
    if foreign:
        raise AuthorityError(f"the request has attributes that are not ours to certify: {foreign}")
    asked = [each.oid for each in request.extensions]
    if asked != [x509.SubjectAlternativeName.oid]:
        names = [oid.dotted_string for oid in asked if oid != x509.SubjectAlternativeName.oid]
        raise AuthorityError(f"the request asks for extensions that no device gets: {names}")
    names_of = extension_of(request, x509.SubjectAlternativeName)
    if names_of is None or len(list(names_of)) != 1:
        raise AuthorityError("the request asks for more than one name")
