"""The first boot: a device takes its own seed, and keeps none of the others'."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "first-boot" / "first-boot"
FILES = ("user-data", "meta-data", "network-config")


def with_seeds(root: Path, *names: str) -> Path:
    for name in names:
        folder = root / "usr/lib/mirage/seeds" / name
        folder.mkdir(parents=True)
        for file in FILES:
            (folder / file).write_text(f"{file} of {name}\n")
    return root


def with_serial(root: Path, content: bytes, place: str = "proc/device-tree/serial-number") -> Path:
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return root


def with_mac(root: Path, name: str, mac: str) -> Path:
    return with_serial(root, f"{mac}\n".encode(), f"sys/class/net/{name}/address")


def boot(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(SCRIPT), str(root)], capture_output=True, text=True, check=False)


def chosen(root: Path) -> str:
    return (root / "var/lib/cloud/seed/nocloud/user-data").read_text().removeprefix("user-data of ").strip()


def test_a_jetson_is_known_by_its_serial(tmp_path: Path) -> None:
    root = with_seeds(with_serial(tmp_path, b"1421223012345\0"), "1421223012345", "1421223099999")
    done = boot(root)
    assert (done.returncode, chosen(root)) == (0, "1421223012345"), done.stderr
    assert not (root / "usr/lib/mirage/seeds").exists()
    nocloud = root / "var/lib/cloud/seed/nocloud"
    assert sorted(each.name for each in nocloud.iterdir()) == sorted(FILES)
    assert all(not each.stat().st_mode & 0o077 for each in nocloud.iterdir())


def test_another_board_is_known_by_its_firmware_or_its_mac(tmp_path: Path) -> None:
    firmware = with_seeds(with_serial(tmp_path / "a", b"X-1\n", "sys/class/dmi/id/product_serial"), "X-1")
    assert (boot(firmware).returncode, chosen(firmware)) == (0, "X-1")
    card = with_seeds(with_mac(tmp_path / "b", "eth0", "02:00:00:00:00:01"), "02-00-00-00-00-01", "any")
    assert (boot(card).returncode, chosen(card)) == (0, "02-00-00-00-00-01")


def test_a_seed_for_any_device_fits_this_one(tmp_path: Path) -> None:
    root = with_seeds(tmp_path, "any")
    assert (boot(root).returncode, chosen(root)) == (0, "any")


@pytest.mark.parametrize("serial", [b"1421\0", b"../../../../etc\0", b"..\0", b"a b\0", b"\0", b"*\0"])
def test_a_device_without_a_seed_takes_no_other(tmp_path: Path, serial: bytes) -> None:
    root = with_seeds(with_mac(with_serial(tmp_path, serial), "lo", "00:00:00:00:00:00"), "1421223012345")
    (root / "usr/lib/mirage/user-data").write_text("no seed")  # where the serial .. leads
    done = boot(root)
    assert done.returncode == 1
    assert "no seed for any of" in done.stderr
    assert not (root / "var/lib/cloud").exists()
    assert (root / "usr/lib/mirage/seeds/1421223012345").exists()


def test_the_second_boot_changes_nothing(tmp_path: Path) -> None:
    root = with_seeds(tmp_path, "any")
    boot(root)
    before = (root / "var/lib/cloud/seed/nocloud/user-data").stat()
    assert boot(root).returncode == 0
    assert (root / "var/lib/cloud/seed/nocloud/user-data").stat().st_mtime_ns == before.st_mtime_ns


def test_a_first_boot_that_lost_power_is_done_again(tmp_path: Path) -> None:
    root = with_seeds(tmp_path, "any")
    half = root / "var/lib/cloud/seed/nocloud"
    half.mkdir(parents=True)
    (half / "user-data").write_text("user-da")
    assert (boot(root).returncode, chosen(root)) == (0, "any")
