"""Clips carry C2PA manifests, read back with the library that platforms use."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cloud.authority import Authority, Validity, client_certificate, new_authority, signer_certificate
from cloud.hls.film import cut
from cloud.provenance.checking import check
from cloud.provenance.content import ContentError, ContentSigner, read_manifest
from cloud.provenance.notary import Notary
from cloud.render.jpeg import COMPOSITE, GENERATED
from cloud.render.mp4 import OutputError
from tests.cloud.provenance.films import CONFIDENCE, OURS, STATEMENT, write_film

pytest.importorskip("c2pa", reason="the extra c2pa is not installed")

NOW = datetime.now(UTC)
VALID = Validity(NOW - timedelta(days=1), NOW + timedelta(days=30))
KEY = generate_private_key(SECP256R1())
KEY_PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture(scope="module")
def authority() -> Authority:
    return new_authority(generate_private_key(SECP256R1()), "Mirage authority", VALID)


@pytest.fixture(scope="module")
def anchors(authority: Authority) -> bytes:
    return authority.certificate.public_bytes(Encoding.PEM)


@pytest.fixture(scope="module")
def signer(authority: Authority, anchors: bytes) -> ContentSigner:
    return ContentSigner(signer_certificate(authority, KEY.public_key(), "acme", VALID) + anchors, KEY_PEM)


@pytest.fixture
def clip(tmp_path: Path, signer: ContentSigner) -> Path:
    film = write_film(tmp_path / "clip.mp4")
    Notary(OURS, signer).finish(film, "gate", STATEMENT, CONFIDENCE)
    return film


def test_a_clip_says_what_made_it_and_what_was_in_force(clip: Path) -> None:
    manifest = read_manifest(clip)
    assert manifest is not None
    assert manifest.source_type == GENERATED
    assert manifest.statement == {**STATEMENT, "packets": "1, 2, 3"}


def test_a_certificate_of_ones_own_is_valid_but_on_no_public_list(clip: Path, anchors: bytes) -> None:
    manifest = read_manifest(clip)
    assert manifest is not None
    assert (manifest.state, manifest.failures) == ("Valid", ("signingCredential.untrusted",))
    trusted = read_manifest(clip, anchors)
    assert trusted is not None
    assert (trusted.state, trusted.failures) == ("Trusted", ())


def test_manifest_and_signed_document_go_together_and_the_clip_still_plays(clip: Path) -> None:
    data = clip.read_bytes()
    assert check(data, [OURS.public]).film_compared
    assert len(cut(data).pieces) == 1


def test_a_changed_picture_is_found_by_the_manifest_too(clip: Path) -> None:
    data = bytearray(clip.read_bytes())
    data[data.index(b"mdat") + 100] ^= 1
    clip.write_bytes(data)
    manifest = read_manifest(clip)
    assert manifest is not None
    assert manifest.state == "Invalid"
    assert "assertion.bmffHash.mismatch" in manifest.failures


def test_pictures_of_real_places_make_it_a_composite(tmp_path: Path, signer: ContentSigner) -> None:
    film = write_film(tmp_path / "clip.mp4")
    signer.sign(film, "gate", {**STATEMENT, "policy": {"anchors": ["ab" * 32]}})
    manifest = read_manifest(film)
    assert manifest is not None
    assert manifest.source_type == COMPOSITE


def test_a_clip_without_a_manifest_has_none(tmp_path: Path) -> None:
    assert read_manifest(write_film(tmp_path / "clip.mp4")) is None


def test_a_certificate_for_something_else_will_not_do(
    tmp_path: Path, authority: Authority, anchors: bytes
) -> None:
    wrong = ContentSigner(
        client_certificate(authority, KEY.public_key(), "cloud.main", VALID) + anchors, KEY_PEM
    )
    film = write_film(tmp_path / "clip.mp4")
    before = film.read_bytes()
    with pytest.raises(OutputError, match=r"C2PA: .*certificate is invalid"):
        Notary(OURS, wrong).finish(film, "gate", STATEMENT, CONFIDENCE)
    assert film.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_what_is_no_film_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no film")
    with pytest.raises(ContentError, match=r"clip\.mp4"):
        read_manifest(tmp_path / "clip.mp4")
