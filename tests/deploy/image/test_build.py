"""`mirage deploy image`: what it would do, what it wants, and what is left after a failure."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mirage.deploy.boards import Arch
from mirage.deploy.image import build as builder
from mirage.deploy.image.build import ImageError, build, dry_run, install, troubles
from mirage.deploy.image.order import Order, identity
from mirage.deploy.image.packages import KEYRING, Package, pins, wanted
from mirage.deploy.image.sbom import sbom
from mirage.deploy.image.tree import Laid, grub_cfg, lay_releases, lay_settings
from mirage.deploy.release.trees import read_entries, write_archive
from tests.deploy.fleets import need
from tests.deploy.release.made import KEY, archive, folder
from wire.release import Manifest, sign

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = Path(__file__).parent.parent / "golden" / "image.txt"
PACKAGES = (Package("bash", "amd64", "5.2.15-2+b8", "ab" * 32), Package("adduser", "all", "3.134", "cd" * 32))


def order(place: Path, arch: Arch = "amd64") -> Order:
    """Order an image of small releases."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    place.mkdir(exist_ok=True)
    key = place / "release.pub"
    key.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    metadata = {"bin/mirage": b"#!/bin/sh\n"} | {
        f"lib/python3.11/site-packages/Some_Thing-1.2.dist-info/{name}": text
        for name, text in (("METADATA", b"Name: Some_Thing\nVersion: 1.2\n"), ("RECORD", b"a,b,1\n"))
    }
    software = archive(place / "agent.tar", metadata, platform=arch)
    model = folder(place / "model", {"bundle.toml": b"name = 'tiny'\n"})
    (model / "bin/python").unlink()
    manifest = Manifest("bundle", "tiny", "1.0", "any", read_entries(model), bundle_sha256="ef" * 32)
    with (place / "bundle.tar").open("wb") as file:
        write_archive(model, manifest, sign(manifest, KEY), file)
    return Order(
        arch, "0.1.0", software, place / "bundle.tar", key, ROOT / "deploy", place / "out/mirage.img",
        place / "work", "http://mirror.example/debian", "http://mirror.example/debian-security",
        wanted(arch, ("firmware-iwlwifi",), access=False),
    )  # fmt: skip


def test_a_dry_run_says_all_and_does_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    dry_run(order(tmp_path / "here"), said.append)
    text = "\n".join(said).replace(str(tmp_path / "here"), "HERE").replace(str(ROOT), "REPOSITORY") + "\n"
    assert text == GOLDEN.read_text("utf-8")
    assert not (tmp_path / "here/work").exists()
    assert not (tmp_path / "here/out").exists()


def test_what_is_missing_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wished = order(tmp_path, "arm64")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(builder, "_BINFMT", tmp_path / "nothing")
    monkeypatch.setattr(builder, "TOOLS", ("mirage-no-such-tool",))
    wished.agent.unlink()
    found = troubles(wished, 2**30, "x86_64")
    assert found[0] == "only root can install packages into a tree: sudo"
    assert any(each.startswith("missing: mirage-no-such-tool: apt-get install mmdebstrap") for each in found)
    assert any("runs no arm64 programs: apt-get install qemu-user-static" in each for each in found)
    assert any("1.0 GiB are free, 6 are needed" in each for each in found)
    assert f"{wished.agent}: no such file" in found
    assert not any("runs no arm64" in each for each in troubles(wished, 2**40, "aarch64"))


def test_mounts_and_leftovers_end_with_a_build_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root builds images")
    need(*builder.TOOLS)
    if not KEYRING.is_file():
        pytest.skip(f"{KEYRING}: no such file: apt-get install debian-archive-keyring")
    programs = tmp_path / "programs"
    programs.mkdir()
    # In the place of mmdebstrap: it mounts something, as that does, and then fails.
    (programs / "mmdebstrap").write_text(
        '#!/bin/sh\nmount -t tmpfs none "$TMPDIR" && touch "$TMPDIR/x" && exit 7\n'
    )
    (programs / "mmdebstrap").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(builder, "FREE_BYTES", 0)
    wished = order(tmp_path / "here")
    before = Path("/proc/self/mounts").read_text()
    with pytest.raises(ImageError, match="exit 7: mmdebstrap"):
        build(wished, lambda _: None)
    assert Path("/proc/self/mounts").read_text() == before
    assert list(wished.work.iterdir()) == []
    assert not wished.target.exists()


def laid(wished: Order, root: Path) -> Laid:
    root.mkdir(parents=True, exist_ok=True)
    made = lay_releases(wished, root)
    lay_settings(wished, root, identity(wished, PACKAGES, (made.agent.id, made.bundle.id)))
    return made


def test_the_agent_is_in_slot_a_which_is_what_runs_and_what_is_good(tmp_path: Path) -> None:
    wished, root = order(tmp_path / "here"), tmp_path / "root"
    (root / "etc/ssh").mkdir(parents=True)
    (root / "etc/ssh/ssh_host_rsa_key").write_text("of one build")
    (root / "etc/machine-id").write_text("of one build")
    made = lay_releases(wished, root)
    lay_settings(wished, root, identity(wished, PACKAGES, ()))
    home = root / "opt/mirage"
    for link in ("current", "committed"):
        assert str((home / link).readlink()) == "slots/a"
        assert str((home / "bundles" / link).readlink()) == f"tiny-{made.bundle.id[:8]}"
    assert (home / "current/release.json").is_file()
    assert (home / "bundles/current/bundle.toml").read_bytes() == b"name = 'tiny'\n"
    assert not (root / "etc/ssh/ssh_host_rsa_key").exists()
    assert (root / "etc/machine-id").read_text() == ""
    assert (root / "etc/systemd/system/multi-user.target.wants/mirage-edge.service").is_symlink()
    assert str((root / "etc/systemd/system/apt-daily.timer").readlink()) == "/dev/null"


def test_what_a_lock_needs_while_packages_are_installed_does_not_stay(tmp_path: Path) -> None:
    wished, root = order(tmp_path / "here"), tmp_path / "root"
    locked = install(replace(wished, lock=PACKAGES), tmp_path)
    more = [each for each in locked if each not in install(wished, tmp_path)]
    hooks = [each.removeprefix("--setup-hook=") for each in more if each.startswith("--setup-hook=")]
    assert len(hooks) == len(more), "another option changes the image"
    (tmp_path / "pins").write_text(pins(PACKAGES))
    apt = root / "etc/apt"
    (apt / "apt.conf.d").mkdir(parents=True)
    for hook in hooks:
        subprocess.run(["sh", "-c", hook, "exec", str(root)], check=True)
    assert (apt / "preferences.d/mirage").read_text() == pins(PACKAGES)
    assert (apt / "apt.conf.d/mirage").read_text() == 'Acquire::Check-Valid-Until "false";\n'
    laid(wished, root)
    assert [path.name for path in sorted(apt.rglob("*")) if path.is_file()] == ["sources.list"]


def test_what_a_machine_knows_of_its_network_does_not_stay(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/.resolv.conf.systemd-resolved.bak").write_text("nameserver 192.0.2.1\n")
    laid(order(tmp_path / "here"), root)
    assert not list(root.glob("etc/.resolv*"))


def test_ids_follow_from_what_is_in_the_image(tmp_path: Path) -> None:
    wished = order(tmp_path)
    one = identity(wished, PACKAGES, ("a", "b"))
    assert one == identity(wished, tuple(reversed(PACKAGES)), ("a", "b"))
    assert one.uuid("root") != one.uuid("disk")
    for other in (identity(wished, PACKAGES[:1], ("a", "b")), identity(wished, PACKAGES, ("a", "c"))):
        assert other.uuid("root") != one.uuid("root")
    assert f"root=UUID={one.uuid('root')} ro " in grub_cfg(one)


def test_the_list_of_materials_is_valid_and_the_same_each_time(tmp_path: Path) -> None:
    schema = pytest.importorskip(
        "cyclonedx.schema", reason="pip install cyclonedx-python-lib[json-validation]"
    )
    validation = pytest.importorskip("cyclonedx.validation.json")
    wished, root = order(tmp_path / "here"), tmp_path / "root"
    made = laid(wished, root)
    ids = identity(wished, PACKAGES, (made.agent.id, made.bundle.id))
    text = sbom(wished, ids, PACKAGES, made, root)
    assert text == sbom(wished, ids, tuple(reversed(PACKAGES)), made, root)
    validator = validation.JsonStrictValidator(schema.SchemaVersion.V1_6)
    assert validator.validate_str(text) is None
    assert (
        validator.validate_str(text.replace('"bomFormat": "CycloneDX"', '"bomFormat": "Other"')) is not None
    )
    components = {each["bom-ref"]: each for each in json.loads(text)["components"]}
    assert set(components) == {
        f"agent:mirage@{made.agent.id}",
        f"bundle:tiny@{made.bundle.id}",
        "pkg:deb/debian/adduser@3.134?arch=all&distro=bookworm",
        "pkg:deb/debian/bash@5.2.15-2%2Bb8?arch=amd64&distro=bookworm",
        "pkg:pypi/some-thing@1.2",
    }
    assert components["pkg:deb/debian/bash@5.2.15-2%2Bb8?arch=amd64&distro=bookworm"]["hashes"] == [
        {"alg": "SHA-256", "content": "ab" * 32}
    ]


def test_a_release_of_another_key_is_not_laid_down(tmp_path: Path) -> None:
    from mirage.deploy.release.trees import TreeError
    from tests.deploy.release.made import OTHER

    wished = order(tmp_path / "here")
    archive(wished.agent, key=OTHER)
    with pytest.raises(TreeError, match="signature"):
        lay_releases(wished, tmp_path / "root")


def test_the_command_says_which_architectures_there_are() -> None:
    command = [sys.executable, "-m", "mirage", "deploy", "image", "--fleet", "deploy/fleet.example.toml"]
    done = subprocess.run(
        [*command, "--arch", "sparc"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "--arch sparc: amd64 or arm64" in done.stderr
