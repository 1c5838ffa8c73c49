"""Certificates: what is issued, what OpenSSL says to it, and what is refused."""

import base64
import random
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from cloud.authority import (
    Authority,
    Validity,
    client_certificate,
    device_certificate,
    new_authority,
    server_certificate,
)
from cloud.certificate import AuthorityError, certificate_of, identity_of
from tests.pki import EXPIRED, VALID, Pki, new_key
from wire.topics import DeviceTopics

DOOR = DeviceTopics("acme", "north", "edge-1")
WEAK_KEYS = (generate_rsa_key(65537, 2048), generate_private_key(SECP384R1()), Ed25519PrivateKey.generate())


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    folder: Path = tmp_path_factory.mktemp("pki")
    return Pki(folder)


def verdict(pki: Pki, certificate: Path, purpose: str, *options: str) -> str:
    """Ask OpenSSL, as strictly as it can."""
    command = ["openssl", "verify", "-x509_strict", "-CAfile", str(pki.ca), "-purpose", purpose]
    done = subprocess.run([*command, *options, str(certificate)], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def request(common_name: str, uri: str, key: object = None) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
    key = key or new_key()
    hashed = None if isinstance(key, Ed25519PrivateKey) else SHA256()
    signed = builder.add_extension(names, critical=False).sign(key, hashed)  # type: ignore[arg-type]
    return signed.public_bytes(Encoding.PEM)


def pem_of_der(der: bytes, label: str) -> bytes:
    return b"-----BEGIN %b-----\n%b-----END %b-----\n" % (
        label.encode(), base64.encodebytes(der), label.encode()
    )  # fmt: skip


def test_openssl_accepts_each_certificate_for_its_purpose_only(pki: Pki) -> None:
    device, client = pki.device(DOOR), pki.client("cloud.main")
    server = pki.folder / "server.pem"
    assert verdict(pki, device.certificate, "sslclient").endswith("OK\n")
    assert verdict(pki, client.certificate, "sslclient").endswith("OK\n")
    assert verdict(pki, server, "sslserver", "-verify_ip", "127.0.0.1").endswith("OK\n")
    assert verdict(pki, server, "sslserver", "-verify_hostname", "localhost").endswith("OK\n")
    assert "error" in verdict(pki, server, "sslserver", "-verify_hostname", "elsewhere.example")
    assert "error" in verdict(pki, device.certificate, "sslserver")
    assert "error" in verdict(pki, server, "sslclient")


def test_openssl_refuses_what_is_expired_or_revoked(pki: Pki) -> None:
    expired = pki.device(DOOR, file="expired", validity=EXPIRED)
    revoked, good = pki.device(DOOR, file="revoked"), pki.device(DOOR, file="good")
    pki.revoke(revoked)
    checked = ("-crl_check", "-CRLfile", str(pki.folder / "crl.pem"))
    assert "expired" in verdict(pki, expired.certificate, "sslclient")
    assert "revoked" in verdict(pki, revoked.certificate, "sslclient", *checked)
    assert verdict(pki, good.certificate, "sslclient", *checked).endswith("OK\n")


def test_a_device_certificate_says_which_device_and_which_key(pki: Pki) -> None:
    issued = pki.device(DOOR)
    identity = identity_of(issued.certificate.read_bytes())
    assert identity.device == DOOR
    assert identity.public_key == issued.private_key.public_key()


def test_a_request_says_the_same(pki: Pki) -> None:
    key = new_key()
    identity = identity_of(request("edge-1", "mirage:acme/north/edge-1", key))
    assert (identity.device, identity.public_key) == (DOOR, key.public_key())
    certified = device_certificate(pki.authority, identity.public_key, identity.device, VALID)
    assert identity_of(certified) == identity


def test_a_request_that_is_not_signed_with_its_own_key_is_refused() -> None:
    honest = x509.load_pem_x509_csr(request("edge-1", "mirage:acme/north/edge-1"))
    der = bytearray(honest.public_bytes(Encoding.DER))
    der[-1] ^= 1  # the last byte of the signature
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM)
    with pytest.raises(AuthorityError, match="not signed with the key"):
        identity_of(forged)


@pytest.mark.parametrize("key", WEAK_KEYS, ids=lambda key: type(key).__name__)
def test_keys_of_other_kinds_are_refused(pki: Pki, key: object) -> None:
    with pytest.raises(AuthorityError, match=r"not P-256|not of the curve P-256"):
        identity_of(request("edge-1", "mirage:acme/north/edge-1", key))
    with pytest.raises(AuthorityError, match="P-256"):
        device_certificate(pki.authority, key.public_key(), DOOR, VALID)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("common_name", "uri", "reason"),
    [
        ("edge-2", "mirage:acme/north/edge-1", "is not the device 'edge-1'"),
        ("edge-1", "https://acme/north/edge-1", "0 names of the form"),
        ("edge-1", "mirage:acme/edge-1", "not TENANT/SITE/DEVICE"),
        ("edge-1", "mirage:acme/north/site/edge-1", "not TENANT/SITE/DEVICE"),
        ("+", "mirage:acme/north/+", "a-z"),
        ("edge-1", "mirage:#/north/edge-1", "a-z"),
        ("edge-1", "mirage:acme/north/edge-1\ntopic write", "a-z"),
        ("Edge-1", "mirage:acme/north/Edge-1", "a-z"),
    ],
)
def test_names_that_no_topic_has_are_refused(common_name: str, uri: str, reason: str) -> None:
    with pytest.raises(AuthorityError, match=reason):
        identity_of(request(common_name, uri))


def test_a_role_cannot_have_the_name_of_a_device(pki: Pki) -> None:
    with pytest.raises(AuthorityError, match="has a dot"):
        client_certificate(pki.authority, new_key().public_key(), "edge-1", VALID)


def test_no_certificate_outlives_its_authority(pki: Pki) -> None:
    later = Validity(VALID.since, VALID.until + timedelta(days=1))
    with pytest.raises(AuthorityError, match="outlive"):
        device_certificate(pki.authority, new_key().public_key(), DOOR, later)


@pytest.mark.parametrize("since", [VALID.until, VALID.until + timedelta(days=1), datetime(2020, 1, 1)])  # noqa: DTZ001 (that is the point)
def test_times_that_make_no_sense_are_refused(since: datetime) -> None:
    with pytest.raises(AuthorityError, match=r"time zone|before it begins"):
        Validity(since, VALID.until)


@pytest.mark.parametrize("hosts", [(), ("",), ("bröker.example",)])
def test_a_server_without_a_usable_name_is_refused(pki: Pki, hosts: tuple[str, ...]) -> None:
    with pytest.raises(AuthorityError):
        server_certificate(pki.authority, new_key().public_key(), hosts, VALID)


def test_only_an_authority_signs_and_only_with_its_own_key(pki: Pki) -> None:
    device = pki.device(DOOR)
    with pytest.raises(AuthorityError, match="may not sign"):
        Authority(certificate_of(device.certificate.read_bytes()), device.private_key)
    with pytest.raises(AuthorityError, match="key is not that"):
        Authority(pki.authority.certificate, new_key())
    assert new_authority(new_key(), "Another", VALID).certificate.issuer != pki.authority.certificate.issuer


def test_whatever_is_no_certificate_is_one_clear_error(pki: Pki) -> None:
    for pem in (b"", b"hello", pki.ca.read_bytes()[:200], b"x" * 20_000, request("a", "b:c")[:90]):
        with pytest.raises(AuthorityError):
            identity_of(pem)
    with pytest.raises(AuthorityError, match="a request, not a certificate"):
        certificate_of(request("edge-1", "mirage:acme/north/edge-1"))


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # cryptography warns, and reads on
@pytest.mark.parametrize("kind", ["certificate", "request"])
def test_damaged_certificates_and_requests_raise_nothing_else(pki: Pki, kind: str) -> None:
    chance = random.Random(5)
    if kind == "request":
        der = x509.load_pem_x509_csr(request("edge-1", "mirage:acme/north/edge-1")).public_bytes(Encoding.DER)
    else:
        certificate = certificate_of(pki.device(DOOR).certificate.read_bytes())
        der = certificate.public_bytes(Encoding.DER)
    label = "CERTIFICATE REQUEST" if kind == "request" else "CERTIFICATE"
    for _ in range(2000):
        damaged = bytearray(der)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(len(der))] = chance.randrange(256)
        body = pem_of_der(bytes(damaged), label)
        try:
            identity_of(body)
        except AuthorityError:
            continue
