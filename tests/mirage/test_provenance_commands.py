"""`mirage cloud provenance-key`, `verify` and `compare`, as a person calls them."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cloud.config import ConfigError, load
from cloud.provenance.checking import ForgedError
from cloud.provenance.notary import Notary
from cloud.provenance.register import note
from cloud.provenance.signing import from_pem, key_id
from cloud.provenance.start import announce, notary_of
from cloud.store import Store
from mirage.cli import app
from mirage.errors import InputError
from mirage.verify_command import verify
from tests.cloud.provenance.films import CONFIDENCE, OURS, STATEMENT, write_film

SETTINGS = '[broker]\nhost = "127.0.0.1"\n[bundle]\npaths = ["tiny"]\n[provenance]\nkey = "provenance.key"\n'


def mirage(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["cloud", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def key(tmp_path: Path) -> Path:
    mirage("provenance-key", "new", "-o", tmp_path / "provenance.key")
    return tmp_path / "provenance.key"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "cloud.toml"
    path.write_text(SETTINGS)
    return path


@pytest.fixture
def clip(tmp_path: Path, key: Path, config: Path) -> Path:
    film = write_film(tmp_path / "clip.mp4")
    assert key.exists()
    notary_of(load(config), None).finish(film, "gate", STATEMENT, CONFIDENCE)
    return film


def test_a_key_is_made_once_and_is_for_its_owner_only(key: Path) -> None:
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(from_pem(key.with_suffix(".pub").read_bytes())) == 1
    with pytest.raises(InputError, match="is there already"):
        mirage("provenance-key", "new", "-o", key)


def test_a_clip_of_its_cloud_is_genuine_and_says_what_was_in_force(clip: Path, key: Path) -> None:
    said = mirage("verify", clip, "--key", key.with_suffix(".pub"))
    public = from_pem(key.with_suffix(".pub").read_bytes())[0]
    assert said.startswith(f"{clip}: genuine, signed with key {key_id(public)}\n")
    for part in (
        "AI-reconstructed", "renderer preview tiny, bundle 5b5b", "seed 0", "confidence 0.93",
        "long_side_px 64, limited by the sender",
    ):  # fmt: skip
        assert part in said
    assert "only the document" not in said


def test_programs_get_json(clip: Path, key: Path) -> None:
    said = json.loads(mirage("verify", clip, "--key", key.with_suffix(".pub"), "--json"))
    assert (said["film_compared"], said["document"]["seed"], said["c2pa"]) == (True, 0, None)


def test_of_a_document_alone_it_is_said_that_the_film_was_not_looked_at(clip: Path, key: Path) -> None:
    public, document = key.with_suffix(".pub"), clip.with_suffix(".json")
    document.write_text(json.dumps(json.loads(mirage("verify", clip, "--key", public, "--json"))["document"]))
    assert "only the document was checked" in mirage("verify", document, "--key", public)
    assert "genuine" in mirage("verify", clip, "--key", public, "--document", document)


def test_a_forged_clip_is_an_error_that_names_the_file(clip: Path, key: Path, tmp_path: Path) -> None:
    clip.write_bytes(clip.read_bytes().replace(b'"seed":0', b'"seed":7'))
    with pytest.raises(ForgedError, match=r"clip\.mp4: its document is changed since it was signed"):
        mirage("verify", clip, "--key", key.with_suffix(".pub"))
    mirage("provenance-key", "new", "-o", tmp_path / "other.key")
    with pytest.raises(ForgedError, match="none of those that are trusted here"):
        verify(clip, tmp_path / "other.pub", None, json=False)
    with pytest.raises(InputError, match=r"clip\.mp4: no public key"):
        verify(clip, clip, None, json=False)


def test_after_a_rotation_old_clips_are_still_genuine(
    clip: Path, key: Path, config: Path, tmp_path: Path
) -> None:
    store = Store(load(config).store.url)
    announce(notary_of(load(config), None), store)
    mirage("provenance-key", "new", "-o", tmp_path / "new.key")
    config.write_text(SETTINGS.replace("provenance.key", "new.key"))
    announce(notary_of(load(config), None), store)
    store.close()
    listed = mirage("provenance-key", "list", "--config", config, "-o", tmp_path / "keys.pem", "--json")
    found = json.loads(listed)["keys"]
    assert sorted(each["current"] for each in found) == [False, True]
    assert "genuine" in mirage("verify", clip, "--key", tmp_path / "keys.pem")
    with pytest.raises(ForgedError, match="none of those"):
        mirage("verify", clip, "--key", tmp_path / "new.pub")
    assert key.exists()


def test_people_get_a_table_of_keys(config: Path) -> None:
    store = Store(load(config).store.url)
    with store.write() as session:
        note(session, OURS.public, 1_790_000_000_000)
    store.close()
    said = mirage("provenance-key", "list", "--config", config)
    assert key_id(OURS.public) in said
    assert "2026-09-21" in said
    assert "current" in said


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [(b"no key", 0o600, "no private key in PEM"), (b"", 0o644, "chmod 600"), (None, 0o600, "No such file")],
)
def test_a_key_that_cannot_be_used_stops_the_start(
    config: Path, content: bytes | None, mode: int, why: str
) -> None:
    path = config.with_name("provenance.key")
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    with pytest.raises(ConfigError, match=rf"provenance\.key: .*{why}"):
        notary_of(load(config), None)


def test_the_certificate_of_c2pa_goes_with_its_key(config: Path, tmp_path: Path) -> None:
    config.write_text(SETTINGS.replace("key =", "c2pa_key ="))
    with pytest.raises(ConfigError, match="go together"):
        load(config)
    config.write_text(
        SETTINGS.replace('key = "provenance.key"', 'c2pa_key = "k.key"\nc2pa_certificate = "c.pem"')
    )
    (tmp_path / "k.key").touch(0o600)
    with pytest.raises(ConfigError, match=r"provenance\.c2pa_certificate: .*c\.pem: No such file"):
        notary_of(load(config), None)


def test_a_development_certificate_makes_manifests(tmp_path: Path, config: Path) -> None:
    pytest.importorskip("c2pa", reason="the extra c2pa is not installed")
    mirage("ca", "new", "-o", tmp_path / "pki")
    mirage("ca", "signer", "--ca", tmp_path / "pki", "-o", tmp_path / "c2pa", "Acme Video")
    mirage("provenance-key", "new", "-o", tmp_path / "provenance.key")
    config.write_text(f'{SETTINGS}c2pa_certificate = "c2pa.pem"\nc2pa_key = "c2pa.key"\n')
    film = write_film(tmp_path / "clip.mp4")
    notary_of(load(config), None).finish(film, "gate", STATEMENT, CONFIDENCE)
    said = mirage("verify", film, "--key", tmp_path / "provenance.pub")
    assert "genuine" in said
    assert "C2PA: Valid (signingCredential.untrusted), http" in said
    assert "trainedAlgorithmicMedia" in said


def test_a_certificate_for_something_else_stops_the_start(tmp_path: Path, config: Path) -> None:
    pytest.importorskip("c2pa", reason="the extra c2pa is not installed")
    mirage("ca", "new", "-o", tmp_path / "pki")
    mirage("ca", "client", "--ca", tmp_path / "pki", "-o", tmp_path / "c2pa", "cloud.main")
    config.write_text(
        SETTINGS.replace('key = "provenance.key"', 'c2pa_key = "c2pa.key"\nc2pa_certificate = "c2pa.pem"')
    )
    with pytest.raises(ConfigError, match=r"provenance\.c2pa_certificate: .*c2pa\.pem: C2PA: "):
        notary_of(load(config), None)


def test_without_a_key_nothing_is_announced(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/store.db")
    announce(Notary(), store)
    store.close()


def test_compare_needs_two_scenes(tiny: Path, config: Path) -> None:
    shutil.copytree(tiny, config.with_name("tiny"), ignore=shutil.ignore_patterns("golden.npz"))
    Store(load(config).store.url).close()
    with pytest.raises(InputError, match="at least two scenes"):
        mirage("compare", "--config", config)
