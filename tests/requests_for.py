"""Requests for certificates, honest and otherwise."""

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID


def request_for(
    key: EllipticCurvePrivateKey,
    place: str = "acme/north/edge-1",
    *,
    common_name: str | None = None,
    more_subject: Sequence[x509.NameAttribute[str]] = (),
    more_names: Sequence[x509.GeneralName] = (),
    more: Sequence[x509.ExtensionType] = (),
    password: bytes | None = None,
) -> bytes:
    """Make a request; the rest is what none should ask for."""
    name = common_name or place.rpartition("/")[2]
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name), *more_subject])
    )
    names = [x509.UniformResourceIdentifier(f"mirage:{place}"), *more_names]
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    for extension in more:
        builder = builder.add_extension(extension, critical=False)
    if password is not None:
        builder = builder.add_attribute(x509.oid.AttributeOID.CHALLENGE_PASSWORD, password)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)
