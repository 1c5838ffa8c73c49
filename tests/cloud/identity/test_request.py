"""Requests that ask for more than a device gets, or are not its own."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as rsa_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cloud.certificate import AuthorityError
from cloud.identity.request import read_request
from tests.pki import new_key
from tests.requests_for import request_for

KEY = new_key()


def flipped(pem: bytes) -> bytes:
    """Turn a bit of the signature, the end of the request."""
    der = bytearray(x509.load_pem_x509_csr(pem).public_bytes(Encoding.DER))
    der[-1] ^= 1
    return x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM)


def of_rsa() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "edge-1")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return builder.sign(rsa_key(65537, 2048), SHA256()).public_bytes(Encoding.PEM)


def test_an_honest_request_says_which_device_and_key() -> None:
    identity = read_request(request_for(KEY))
    assert (identity.device.root, identity.public_key) == ("mirage/v1/acme/north/edge-1", KEY.public_key())


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (b"", "no request"),
        (b"x" * 20_000, "too many"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "no certificate"),
        (flipped(request_for(KEY)), "not signed with the key"),
        (of_rsa(), "not of the curve P-256"),
        (request_for(generate_private_key(SECP384R1())), "secp384r1, not P-256"),
        (request_for(KEY, common_name="edge-2"), "common name"),
        (request_for(KEY, common_name="cloud.main"), "common name"),
        (request_for(KEY, "acme/north/cloud.main"), "cloud.main"),
        (request_for(KEY, more_subject=[x509.NameAttribute(NameOID.COMMON_NAME, "edge-2")]), "common name"),
        (request_for(KEY, more_subject=[x509.NameAttribute(NameOID.ORGANIZATION_NAME, "x")]), "says more"),
        (request_for(KEY, more_names=[x509.DNSName("mqtt.example")]), "more than one name"),
        (request_for(KEY, more_names=[x509.UniformResourceIdentifier("mirage:a/b/c")]), "2 names"),
        (request_for(KEY, more=[x509.BasicConstraints(ca=True, path_length=None)]), "no device gets"),
        (request_for(KEY, more=[x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])]), "no device gets"),
        (request_for(KEY, password=b"secret"), "attributes that are not ours"),
    ],
)  # fmt: skip
def test_a_foreign_request_is_refused(pem: bytes, reason: str) -> None:
    with pytest.raises(AuthorityError, match=reason):
        read_request(pem)


def test_a_certificate_is_no_request() -> None:
    with pytest.raises(AuthorityError, match="no request"):
        read_request(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
