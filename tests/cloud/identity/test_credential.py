"""Credentials that are made here are read by real TPMs (in software), and by none that they are not for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cloud.identity.credential import CredentialError, ak_name, endorsement_key, make_credential
from edge import tpm
from edge.tpm import Tpm, TpmError
from tests.tpms import software_tpm, tpm2

SECRET = bytes(range(32))


@pytest.fixture(scope="module")
def tcti() -> Iterator[str]:
    with software_tpm() as made:
        yield made


def of_rsa(chip: Tpm, tcti: str, folder: Path) -> None:
    """Put an RSA endorsement key in the place of the other."""
    tpm2(tcti, folder, "createek", "-c", "ek.ctx", "-G", "rsa", "-u", "ek.pub")
    tpm2(tcti, folder, "flushcontext", "-t")
    tpm2(tcti, folder, "readpublic", "-c", "ek.ctx", "-f", "der", "-o", "ek.der")
    tpm2(tcti, folder, "flushcontext", "-t")
    chip.ek = (folder / "ek.der").read_bytes()


@pytest.mark.parametrize("kind", ["p256", "rsa"])
@pytest.mark.parametrize("secret", [SECRET, b"seventeen bytes.."], ids=len)
def test_the_tpm_of_both_keys_reads_the_secret(tcti: str, tmp_path: Path, kind: str, secret: bytes) -> None:
    chip = Tpm(tcti, tmp_path)
    if kind == "rsa":
        of_rsa(chip, tcti, tmp_path)
    name = ak_name(chip.attestation())
    made = make_credential(endorsement_key(chip.ek), name, secret)
    assert chip.activate(made.id_object, made.encrypted_secret) == secret


@pytest.mark.parametrize("kind", ["ecc", "rsa"])
def test_it_is_of_the_form_that_tpm2_makecredential_gives(tcti: str, tmp_path: Path, kind: str) -> None:
    chip = Tpm(tcti, tmp_path)
    if kind == "rsa":
        of_rsa(chip, tcti, tmp_path)
    name = ak_name(chip.attestation())
    tpm2(tcti, tmp_path, "readpublic", "-c", "ak.ctx", "-n", "ak.name")
    tpm2(tcti, tmp_path, "flushcontext", "-t")
    assert (tmp_path / "ak.name").read_bytes() == name, "the name is the TPM's own"
    (tmp_path / "clear").write_bytes(SECRET)
    arguments = ["-u", "ek.pub", "-s", "clear", "-n", name.hex(), "-o", "theirs"]
    ours = make_credential(endorsement_key(chip.ek), name, SECRET)
    cut, size, theirs = len(ours.id_object), len(ours.id_object + ours.encrypted_secret), b""
    for _ in range(6):  # of a coordinate, tpm2-tools leaves out the zeros at its beginning: once in 128 times
        if len(theirs) != size:
            tpm2("none", tmp_path, "makecredential", *arguments)
            theirs = (tmp_path / "theirs").read_bytes()[8:]
    assert len(theirs) == size
    assert chip.activate(theirs[:cut], theirs[cut:]) == SECRET


def test_another_tpm_and_another_attestation_key_do_not_read_it(tcti: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    chip = Tpm(tcti, tmp_path)
    name = ak_name(chip.attestation())
    made = make_credential(endorsement_key(chip.ek), name, SECRET)
    with software_tpm() as foreign:
        other = Tpm(foreign, tmp_path / "other")
        other_name = ak_name(other.attestation())
        assert other.ek != chip.ek
        with pytest.raises(TpmError, match="activatecredential"):
            other.activate(made.id_object, made.encrypted_secret)
    lied = make_credential(endorsement_key(chip.ek), other_name, SECRET)
    with pytest.raises(TpmError, match="activatecredential"):
        chip.activate(lied.id_object, lied.encrypted_secret)
    second = ak_name(chip.attestation())
    assert second != name
    with pytest.raises(TpmError, match="activatecredential"):
        chip.activate(made.id_object, made.encrypted_secret)


@pytest.mark.parametrize("place", ["mac", "hidden", "point"])
def test_a_credential_that_was_changed_is_refused(tcti: str, tmp_path: Path, place: str) -> None:
    chip = Tpm(tcti, tmp_path)
    made = make_credential(endorsement_key(chip.ek), ak_name(chip.attestation()), SECRET)
    id_object, secret = bytearray(made.id_object), bytearray(made.encrypted_secret)
    target = secret if place == "point" else id_object
    target[-1 if place != "mac" else 10] ^= 1
    with pytest.raises(TpmError, match="activatecredential"):
        chip.activate(bytes(id_object), bytes(secret))


SIGNING = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign"


@pytest.mark.parametrize(
    ("attributes", "lacks"),
    [
        (SIGNING, "restricted"),
        ("sensitivedataorigin|userwithauth|restricted|sign", "fixedTPM"),
        ("fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|decrypt", "sign"),
    ],
)
def test_a_key_that_could_be_elsewhere_is_no_attestation_key(
    tcti: str, tmp_path: Path, attributes: str, lacks: str
) -> None:
    algorithm = ["-G", "ecc256:aes128cfb" if "decrypt" in attributes else "ecc256:ecdsa-sha256:null"]
    tpm2(tcti, tmp_path, "createprimary", "-C", "o", *algorithm, "-a", attributes, "-c", "key.ctx")
    tpm2(tcti, tmp_path, "flushcontext", "-t")
    tpm2(tcti, tmp_path, "readpublic", "-c", "key.ctx", "-f", "tss", "-o", "key.pub")
    tpm2(tcti, tmp_path, "flushcontext", "-t")
    with pytest.raises(CredentialError, match=lacks):
        ak_name((tmp_path / "key.pub").read_bytes())


def public_area(*, kind: int = 0x23, name: int = 0x0B, attributes: int = 0x50072) -> bytes:
    area = kind.to_bytes(2, "big") + name.to_bytes(2, "big") + attributes.to_bytes(4, "big") + bytes(40)
    return len(area).to_bytes(2, "big") + area


@pytest.mark.parametrize("bit", [1, 4, 5, 16, 18])
def test_each_attribute_counts(bit: int) -> None:
    assert ak_name(public_area())[:2] == b"\0\x0b"
    with pytest.raises(CredentialError, match="proves nothing"):
        ak_name(public_area(attributes=0x50072 & ~(1 << bit)))


def test_what_decrypts_or_is_named_otherwise_is_refused() -> None:
    with pytest.raises(CredentialError, match="decrypts"):
        ak_name(public_area(attributes=0x70072))
    with pytest.raises(CredentialError, match="not of SHA-256"):
        ak_name(public_area(name=0x0C))
    whole = public_area()
    for size in range(len(whole)):
        with pytest.raises(CredentialError, match="TPM2B_PUBLIC"):
            ak_name(whole[:size])


def test_only_keys_of_the_two_usual_kinds_are_endorsement_keys() -> None:
    for key in (rsa.generate_private_key(65537, 3072), generate_private_key(SECP384R1())):
        spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        with pytest.raises(CredentialError, match="neither RSA 2048 nor P-256"):
            endorsement_key(spki)
    with pytest.raises(CredentialError, match="no public key"):
        endorsement_key(b"nothing")


def test_a_tpm_that_is_not_there_is_named() -> None:
    with software_tpm(), pytest.raises(TpmError, match="device:/nowhere"), tpm.opened("device:/nowhere"):
        pass
