"""Who may take part, from the command line: register, access list, authority, keys."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, load_pem_public_key
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

from cloud.acl import AclError
from cloud.certificate import AuthorityError, identity_of
from cloud.enrolment import EnrolmentError
from mirage import authority, enrolment
from mirage.cli import app
from mirage.enrolment import Roles
from mirage.errors import InputError
from tests.pki import new_key

NAME = "acme/north/edge-1"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an authority that has certified edge-1."""
    folder: Path = tmp_path_factory.mktemp("pki")
    authority.new(folder, "Test", 3650)
    authority.issue_device(folder, folder / "edge-1", NAME, None, 90)
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "cloud.toml"
    path.write_text('[broker]\nhost = "127.0.0.1"\n[bundle]\npaths = ["tiny"]\n')
    return path


def request_of(common_name: str) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    uri = x509.UniformResourceIdentifier(f"mirage:acme/north/{common_name}")
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    builder = builder.add_extension(x509.SubjectAlternativeName([uri]), critical=False)
    return builder.sign(new_key(), SHA256()).public_bytes(Encoding.PEM)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_device_is_enrolled_listed_revoked_and_comes_back(
    pki: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def listed() -> list[dict[str, object]]:
        capsys.readouterr()
        enrolment.list_devices(config, json=True)
        devices: list[dict[str, object]] = json.loads(capsys.readouterr().out)["devices"]
        return devices

    enrolment.enrol(config, pki / "edge-1.pem", ["door", "yard"], again=False)
    assert "acme/north/edge-1: enrolled" in capsys.readouterr().out
    (device,) = listed()
    assert (device["tenant"], device["site"], device["device"]) == ("acme", "north", "edge-1")
    assert (device["cameras"], device["revoked_ms"]) == (["door", "yard"], None)
    enrolment.revoke(config, "edge-1")
    assert listed()[0]["revoked_ms"] is not None
    with pytest.raises(EnrolmentError, match="is revoked"):
        enrolment.enrol(config, pki / "edge-1.pem", ["door"], again=False)
    enrolment.enrol(config, pki / "edge-1.pem", ["door"], again=True)
    assert listed()[0]["revoked_ms"] is None
    enrolment.list_devices(config, json=False)
    assert NAME in capsys.readouterr().out


def test_a_request_enrols_a_device_too(config: Path, tmp_path: Path) -> None:
    (tmp_path / "edge-7.csr").write_bytes(request_of("edge-7"))
    enrolment.enrol(config, tmp_path / "edge-7.csr", ["door"], again=False)


def test_what_is_no_certificate_is_named(config: Path, tmp_path: Path) -> None:
    (tmp_path / "edge.pem").write_text("hello")
    with pytest.raises(InputError, match=r"edge\.pem: no certificate"):
        enrolment.enrol(config, tmp_path / "edge.pem", ["door"], again=False)


def test_the_access_list_is_replaced_as_a_whole(pki: Path, config: Path, tmp_path: Path) -> None:
    enrolment.enrol(config, pki / "edge-1.pem", ["door"], again=False)
    output = tmp_path / "acl"
    output.write_text("user old\n")
    enrolment.write_acl(config, output, Roles.of(["main"], ["viewer=acme"], ["ops"], ["home=acme"]))
    users = [line for line in output.read_text().splitlines() if line.startswith("user ")]
    roles = ["cloud.main", "subscriber.viewer", "bridge.home", "monitor.ops"]
    assert users == [f"user {name}" for name in (*roles, "edge-1")]
    before = output.read_text()
    for bad, error in (
        (["viewer"], InputError),
        (["viewer=a b"], AclError),
        (["v=acme", "v=acme"], AclError),
    ):
        with pytest.raises(error):
            enrolment.write_acl(config, output, Roles.of(["main"], bad, []))
        with pytest.raises(error):
            enrolment.write_acl(config, output, Roles.of(["main"], [], [], bad))
    assert output.read_text() == before
    enrolment.revoke(config, "edge-1")
    enrolment.write_acl(config, output, Roles.of(["main"]))
    assert "edge-1" not in output.read_text()


def test_the_cloud_gets_one_key_pair_and_never_another_in_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    enrolment.make_keys(folder)
    secret = load_pem_private_key((folder / "cloud.key").read_bytes(), None)
    public = load_pem_public_key((folder / "cloud.pub").read_bytes())
    assert isinstance(secret, X25519PrivateKey)
    assert isinstance(public, X25519PublicKey)
    assert secret.public_key() == public
    assert mode_of(folder / "cloud.key") == 0o600
    before = (folder / "cloud.key").read_bytes()
    with pytest.raises(InputError, match=r"cloud\.key: is there already"):
        enrolment.make_keys(folder)
    (folder / "cloud.key").rename(folder / "elsewhere.key")
    with pytest.raises(InputError, match=r"cloud\.pub: is there already"):
        enrolment.make_keys(folder)
    assert not (folder / "cloud.key").exists()
    assert (folder / "elsewhere.key").read_bytes() == before


def test_private_keys_are_for_their_owner_only_and_stay(pki: Path) -> None:
    before = (pki / "ca.key").read_bytes(), (pki / "edge-1.key").read_bytes()
    assert {mode_of(path) for path in pki.rglob("*.key")} == {0o600}
    with pytest.raises(InputError, match="is there already"):
        authority.new(pki, "Another", 10)
    with pytest.raises(InputError, match="is there already"):
        authority.issue_device(pki, pki / "edge-1", NAME, None, 10)
    assert ((pki / "ca.key").read_bytes(), (pki / "edge-1.key").read_bytes()) == before


def test_a_certificate_that_cannot_be_leaves_no_key_behind(pki: Path) -> None:
    with pytest.raises(AuthorityError, match="outlive"):
        authority.issue_device(pki, pki / "late", "acme/north/late", None, 9999)
    with pytest.raises(AuthorityError, match="TENANT/SITE/DEVICE"):
        authority.issue_device(pki, pki / "late", "late", None, 10)
    assert list(pki.glob("late*")) == []


def test_a_request_is_certified_without_a_key_of_ours(pki: Path, tmp_path: Path) -> None:
    request = tmp_path / "edge-7.csr"
    request.write_bytes(request_of("edge-7"))
    with pytest.raises(InputError, match="is of mirage/v1/acme/north/edge-7, not of acme/north/edge-8"):
        authority.issue_device(pki, tmp_path / "edge-8", "acme/north/edge-8", request, 10)
    authority.issue_device(pki, tmp_path / "edge-7", "acme/north/edge-7", request, 10)
    certified = identity_of((tmp_path / "edge-7.pem").read_bytes())
    assert certified == identity_of(request.read_bytes())
    assert not (tmp_path / "edge-7.key").exists()


def test_all_certificates_of_a_name_are_revoked_and_no_others(pki: Path, tmp_path: Path) -> None:
    for number, user in enumerate(("cloud.old", "cloud.old", "cloud.new", "monitor.old")):
        authority.issue_client(pki, tmp_path / str(number), user, 10)
    authority.revoke(pki, "cloud.old")
    authority.revoke(pki, "monitor.old")
    listed = x509.load_pem_x509_crl((pki / "crl.pem").read_bytes())
    revoked = {entry.serial_number for entry in listed}
    certificates = [
        x509.load_pem_x509_certificate((tmp_path / f"{number}.pem").read_bytes()) for number in range(4)
    ]
    assert [each.serial_number in revoked for each in certificates] == [True, True, False, True]
    assert listed.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 3
    with pytest.raises(InputError, match="no certificate of 'nobody'"):
        authority.revoke(pki, "nobody")


def test_an_error_is_one_line_and_blames_the_user(pki: Path, config: Path) -> None:
    certificate = pki / "edge-1.pem"
    enrolment.enrol(config, certificate, ["door"], again=False)
    for arguments, reason in (
        (["enrol", "--config", config, certificate, "--camera", "ack"], "reserved"),
        (["revoke", "--config", config, "edge-9"], "edge-9: no device of this id is enrolled"),
        (["ca", "client", "--ca", pki, "-o", pki / "x", "edge-1"], "could be a device"),
        (["acl", "--config", config, "-o", config.with_name("acl"), "--monitor", "a b"], "name 'a b'"),
    ):
        command = [sys.executable, "-m", "mirage", "cloud", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2, done.stderr
        assert reason in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "command", ["enrol", "revoke", "devices", "acl", "keys", "ca new", "ca server", "ca device", "ca revoke"]
)
def test_each_command_shows_an_example(command: str) -> None:
    shown = CliRunner().invoke(app, ["cloud", *command.split(), "--help"]).output
    assert f"Example: mirage cloud {command}" in shown
