"""A board that runs already becomes a device over ssh, whatever cuts that off, and nobody else's."""

import os
import stat
import tarfile
from pathlib import Path

import pytest

from edge import config as edge_config
from mirage.deploy.fleet import load
from mirage.deploy.provision import command
from mirage.deploy.provision.board import asking
from mirage.deploy.provision.command import ProvisionError
from mirage.deploy.provision.remote import Host, RemoteError
from mirage.deploy.release.trees import TreeError
from tests.deploy.fleets import CLAIM
from tests.deploy.provision.bench import PYTHON, Bench, make
from tests.deploy.release import made

LOST = "admin@gate: Connection to gate closed by remote host.: run it again, it goes on"
GOLDEN = Path(__file__).parents[1] / "golden"
pytestmark = pytest.mark.skipif(PYTHON != "3.11", reason="the release of these tests is for Python 3.11")


@pytest.fixture
def bench(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return make(tmp_path, tiny, monkeypatch)


def enrolled(bench: Bench) -> None:
    """Let the device have got its certificate, which uses the claim up."""
    identity = bench.root / "var/lib/mirage-identity"
    identity.mkdir(parents=True, exist_ok=True)
    (identity / "device.pem").write_text("a certificate")
    (bench.root / "etc/mirage/claim").unlink()


def test_a_board_gets_all_that_a_device_needs(bench: Bench) -> None:
    bench.provision()
    home = bench.root / "opt/mirage"
    assert os.readlink(home / "current") == os.readlink(home / "committed") == "slots/a"  # noqa: PTH115
    assert (home / "current/bin/mirage").read_bytes() == made.FILES["bin/mirage"]
    assert os.access(home / "current/bin/mirage", os.X_OK)
    assert list((home / "slots/a/lib").rglob("*.pyc")), "compiled: the service sees it read-only"
    assert (home / "bundles/current/bundle.toml").is_file()
    assert (home / "bundles/committed").resolve().name.startswith("tiny-")
    assert (bench.root / "etc/systemd/system/mirage-edge.service").is_file()
    assert not (bench.root / "etc/systemd/system/mirage-first-boot.service").exists()
    assert not (bench.root / "etc/cloud").exists(), "its own cloud-init is left alone"
    assert edge_config.load(bench.root / "etc/mirage/edge.toml").device.id == "north-yard"
    claim = bench.root / "etc/mirage/claim"
    assert (claim.read_text(), stat.S_IMODE(claim.stat().st_mode)) == (f"{CLAIM}\n", 0o600)
    assert any(line.startswith("systemctl enable --now --no-block mirage-enrol") for line in bench.done())
    assert not (bench.root / "opt/mirage/provision").exists()
    assert bench.said[0] == "admin@gate: debian 12, x86_64, Python 3.11, systemd 252"


def test_done_again_it_changes_nothing(bench: Bench) -> None:
    bench.provision()
    before = bench.tree()
    bench.provision()
    assert bench.tree() == before
    assert [line.endswith(": is there") for line in bench.said if "release" in line or "bundle" in line] == [
        True,
        True,
    ]


def test_a_board_that_has_enrolled_keeps_its_identity_and_gets_no_claim(bench: Bench) -> None:
    bench.provision()
    enrolled(bench)
    bench.provision()
    assert "# settings, and no claim: it is enrolled" in bench.said
    assert not (bench.root / "etc/mirage/claim").exists()


@pytest.mark.parametrize("how", ["before", "middle", "killed", "after"])
def test_cut_off_once_at_each_call_the_same_command_goes_on(
    bench: Bench, how: str, tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.lose(None, how)
    reasons = list[str]()
    while not reasons or reasons[-1]:
        reasons.append(tried(bench))
    assert set(reasons[:-1]) == {LOST}
    assert len(reasons) >= 13
    bench.hold()
    whole = make(tmp_path / "whole", tiny, monkeypatch)
    whole.provision()
    assert without_chance(bench) == without_chance(whole)


def tried(bench: Bench) -> str:
    """Try once, and give what went wrong."""
    try:
        bench.provision()
    except RemoteError as error:
        return str(error)
    return ""


def without_chance(bench: Bench) -> dict[str, str]:
    """Give the board's files but those of the fleet's keys, which are made anew for each."""
    here = str(bench.folder)
    return {
        name: text.replace(here, "")
        for name, text in bench.tree().items()
        if not name.startswith("etc/mirage/c") and not name.endswith(".pyc")
    }


def test_what_another_release_left_half_unpacked_does_not_stay(bench: Bench) -> None:
    half = bench.root / "opt/mirage/slots/a.new/lib"
    half.mkdir(parents=True)
    (half / "stray.py").touch()
    bench.provision()
    assert not (bench.root / "opt/mirage/current/lib/stray.py").exists()


def test_an_archive_that_was_cut_off_goes_on_where_it_was(bench: Bench) -> None:
    bench.lose(4, "middle")
    with pytest.raises(RemoteError):
        bench.provision()
    bench.hold()
    bench.provision()
    assert any(
        line.startswith("# release 0.1.0") and line.endswith(", from byte 2000 on") for line in bench.said
    )


def test_what_is_on_its_way_lies_where_only_root_may_write(bench: Bench) -> None:
    (bench.root / "var/tmp/mirage-provision").mkdir(parents=True)  # of somebody else, who was there first
    bench.lose(4, "middle")
    with pytest.raises(RemoteError):
        bench.provision()
    (part,) = bench.root.rglob("*.tar")
    assert part.parent == bench.root / "opt/mirage/provision"
    assert stat.S_IMODE(part.parent.stat().st_mode) == 0o700
    assert not stat.S_IMODE(part.parents[1].stat().st_mode) & 0o022


def test_an_archive_that_holds_more_than_was_signed_goes_nowhere(bench: Bench) -> None:
    archive = bench.file.parent / "release/mirage-0.1.0-amd64.tar"
    with tarfile.open(archive, "a") as tar:
        tar.addfile(tarfile.TarInfo("lib/evil.pth"))
    with pytest.raises(TreeError, match="holds more than what was signed"):
        bench.provision()
    assert bench.calls() == []


def test_an_archive_that_arrived_damaged_is_fetched_anew(bench: Bench) -> None:
    bench.lose(4, "middle")
    with pytest.raises(RemoteError):
        bench.provision()
    (part,) = (bench.root / "opt/mirage/provision").iterdir()
    part.write_bytes(b"x" * 2000)
    bench.hold()
    with pytest.raises(RemoteError, match=r"mirage-0.1.0-amd64.tar arrived damaged"):
        bench.provision()
    assert not (bench.root / "opt/mirage/current").exists()
    bench.provision()
    assert (bench.root / "opt/mirage/current/bin/mirage").exists()


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("MACHINE", "aarch64", "this board is aarch64, north-yard is amd64"),
        ("SYSTEMD", "245", "systemd is 245, 247 is needed"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_changed(
    bench: Bench, variable: str, value: str, says: str
) -> None:
    bench.patch.setenv(variable, value)
    before = bench.tree()
    with pytest.raises(ProvisionError, match=says):
        bench.provision()
    assert bench.tree() == before
    assert not (bench.root / "opt/mirage").exists()


def test_another_devices_board_is_not_taken(bench: Bench) -> None:
    (bench.root / "etc/mirage").mkdir()
    (bench.root / "etc/mirage/enrolment.toml").write_text('[enrolment]\nname = "acme/south/other"\n')
    with pytest.raises(ProvisionError, match="this board is acme/south/other, not acme/north/north-yard"):
        bench.provision()
    assert not (bench.root / "opt/mirage").exists()


def test_a_jetson_is_no_generic_board_and_another_python_does_not_fit(bench: Bench) -> None:
    (bench.root / "etc/nv_tegra_release").write_text("# R36 (release), REVISION: 4.4\n")
    python = bench.root / "usr/bin/python3"
    python.unlink()
    python.write_text("#!/bin/sh\necho 3.13\n")
    python.chmod(0o755)
    with pytest.raises(
        ProvisionError,
        match=r"python3 is 3.13, the release is for 3.11 \(debian 12\).*is a Jetson, the fleet file says",
    ):
        bench.provision()


def test_a_device_that_was_updated_is_left_to_updates(bench: Bench) -> None:
    bench.provision()
    enrolled(bench)
    made.archive(bench.folder / "fleet/release/mirage-0.1.0-amd64.tar", {"lib/a.py": b"a = 2\n"})
    with pytest.raises(ProvisionError, match="runs another release: `mirage deploy update`"):
        bench.provision()
    current = bench.root / "opt/mirage/current"
    current.unlink()
    current.symlink_to("slots/b")
    with pytest.raises(ProvisionError, match="it runs slots/b: it was updated before"):
        bench.provision()


def test_what_another_key_signed_goes_nowhere(bench: Bench) -> None:
    made.archive(bench.folder / "fleet/release/mirage-0.1.0-amd64.tar", key=made.OTHER)
    with pytest.raises(TreeError, match=r"mirage-0.1.0-amd64.tar"):
        bench.provision()
    assert bench.calls() == []


def test_a_host_key_that_is_not_known_is_not_waved_through(bench: Bench) -> None:
    ssh = bench.folder / "bin/ssh"
    ssh.write_text('#!/bin/sh\necho "Host key verification failed." >&2\nexit 255\n')
    with pytest.raises(RemoteError, match="accept it once: ssh admin@gate"):
        bench.provision()
    options = " ".join(Host("admin@gate").command(asking("")))
    assert "StrictHostKeyChecking" not in options
    with pytest.raises(RemoteError, match="'-oProxyCommand=evil' is not USER@HOST"):
        Host("-oProxyCommand=evil")


def test_nothing_that_a_board_says_commands_the_terminal(bench: Bench) -> None:
    clear = "\x1b[2J\x1b]0;owned\x07"
    (bench.root / "etc/os-release").write_text(f'ID="{clear}debian"\nVERSION_ID="12\x9b1m"\n')
    bench.provision()
    assert bench.said[0].startswith("admin@gate: \ufffd[2J\ufffd]0;owned\ufffddebian 12")
    assert all(line.isprintable() for line in bench.said)
    (bench.root / "etc/mirage/enrolment.toml").write_text(f'name = "acme/south/{clear}other"\n')
    with pytest.raises(ProvisionError) as refused:
        bench.provision()
    assert str(refused.value).isprintable()
    (bench.folder / "bin/ssh").write_text(f'#!/bin/sh\nprintf "it ends{clear}\\n" >&2\nexit 1\n')
    with pytest.raises(RemoteError) as ended:
        bench.provision()
    assert str(ended.value) == "admin@gate: it ends\ufffd[2J\ufffd]0;owned\ufffd"


def test_a_board_that_counts_no_bytes_is_an_error_that_names_it(bench: Bench) -> None:
    script = (bench.folder / "bin/ssh").read_text()
    (bench.folder / "bin/ssh").write_text(
        script.replace(
            'exec sh -c "$1"\n',
            """case "$1" in
  *stat*%s*) echo many; exit ;;
esac
exec sh -c "$1"
""",
        )
    )
    with pytest.raises(RemoteError, match="admin@gate: says 'many', which is no number of bytes"):
        bench.provision()


def test_dry_run_prints_every_command_and_asks_nobody(bench: Bench) -> None:
    fleet = load(bench.file)
    job = command.prepare(fleet, bench.file.parent, fleet.find("north-yard"), Host("admin@gate"))
    text = "\n".join(command.dry_run(job)) + "\n"
    for archive, name in ((job.agent, "RELEASE"), (job.bundle, "BUNDLE")):
        for value in (
            archive.sha256,
            archive.sha256[:32],
            command.document_sha256(archive),
            archive.manifest.id[:8],
        ):
            text = text.replace(value, f"<{name}>")
    text = text.replace(str(bench.folder), "HERE")
    assert bench.calls() == []
    golden = GOLDEN / "provision.txt"
    assert text == golden.read_text("utf-8"), f"if this is meant, write it to {golden.name}:\n{text}"
