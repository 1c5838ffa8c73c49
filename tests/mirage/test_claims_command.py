"""Claims from the command line: for one device, and for a fleet file, where seeds find them."""

import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cloud.identity.claims import ClaimError
from mirage.cli import app
from mirage.deploy.fleet import load
from mirage.deploy.materials import read_materials
from mirage.errors import InputError
from tests.deploy.fleets import fleet_folder


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "cloud.toml"
    path.write_text('[broker]\nhost = "127.0.0.1"\n[bundle]\npaths = ["tiny"]\n')
    return path


def said(config: Path, *words: str) -> str:
    result = CliRunner().invoke(app, ["cloud", "claims", *words, "--config", str(config)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_claim_is_made_listed_and_taken_back(config: Path) -> None:
    made = json.loads(
        said(
            config, "create", "--device", "acme/north/edge-1", "--camera", "door", "--expires", "2h", "--json"
        )
    )
    claim = made["claim"]
    assert (claim["device"], claim["cameras"], claim["state"]) == ("acme/north/edge-1", ["door"], "open")
    assert claim["expires_ms"] - claim["created_ms"] == 2 * 3_600_000
    assert made["secret"].startswith(f"mrc_{claim['id']}_")
    assert made["secret"] not in said(config, "list")
    assert "revoked" in said(config, "revoke", claim["id"])
    (listed,) = json.loads(said(config, "list", "--json"))["claims"]
    assert listed["state"] == "revoked"
    with pytest.raises(ClaimError, match="no claim 000000000000"):
        said(config, "revoke", "000000000000")


def test_the_devices_of_a_fleet_get_the_claims_that_go_into_their_seeds(config: Path, tmp_path: Path) -> None:
    file = fleet_folder(tmp_path / "fleet", tmp_path / "bundle")
    fleet = load(file)
    paths = [tmp_path / "fleet/claims" / f"{device.id}.claim" for device in fleet.device]
    paths[0].unlink()
    before = paths[1].read_bytes()
    told = said(config, "create", "--fleet", str(file))
    assert f"{paths[1]}: is there already" in told
    assert paths[1].read_bytes() == before
    assert stat.S_IMODE(paths[0].stat().st_mode) == 0o600
    materials = read_materials(fleet, fleet.device[0], file.parent)
    assert materials.claim is not None
    assert materials.claim.startswith("mrc_")
    (listed,) = json.loads(said(config, "list", "--json"))["claims"]
    assert listed["device"] == f"{fleet.fleet.tenant}/{fleet.device[0].site}/{fleet.device[0].id}"
    assert listed["cameras"] == [camera.name for camera in fleet.device[0].cameras]
    said(config, "create", "--fleet", str(file), "--device", fleet.device[1].id, "--again")
    assert paths[1].read_bytes() != before


def test_a_device_with_a_tpm_is_known_by_it_and_gets_no_file(config: Path, tmp_path: Path) -> None:
    known = 'id = "north-gate"\ntpm = "' + "5a" * 32 + '"'
    file = fleet_folder(tmp_path / "fleet", tmp_path / "bundle", ('id = "north-gate"', known))
    path = tmp_path / "fleet/claims/north-gate.claim"
    path.unlink()
    create = ("create", "--fleet", str(file), "--device", "north-gate")
    assert "for TPM 5a5a5a5a5a5a5a5a" in said(config, *create)
    assert not path.exists()
    (listed,) = json.loads(said(config, "list", "--json"))["claims"]
    assert (listed["device"], listed["tpm"], listed["state"]) == ("acme/north/north-gate", "5a" * 32, "open")
    assert "is there already, open" in said(config, *create)
    assert "revoked" in said(config, "revoke", listed["id"])
    assert "is there already, revoked" in said(config, *create)
    said(config, *create, "--again")
    file.write_text(file.read_text().replace("5a" * 32, "5b" * 32))
    assert "for TPM 5b5b5b5b5b5b5b5b" in said(config, *create), "the board was replaced"
    assert len(json.loads(said(config, "list", "--json"))["claims"]) == 3


@pytest.mark.parametrize(
    ("words", "error", "reason"),
    [
        (("create",), InputError, "give --fleet"),
        (("create", "--device", "acme/north/edge-1"), ClaimError, "cameras"),
        (("create", "--device", "acme/north/edge-1", "--camera", "ack"), ClaimError, "reserved"),
        (("create", "--device", "acme/north/edge-1", "--camera", "a", "--expires", "1y"), InputError, "1y"),
    ],
)
def test_what_cannot_be_made_says_why(
    config: Path, words: tuple[str, ...], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        said(config, *words)
