"""A fleet with everything that it names, on disk, and a Jetson Linux tree that notes how it is called."""

import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from mirage.deploy.tools import ToolError, tool
from tests.deploy.release import made

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "fleet.example.toml"
CLAIM = "Zm9yLW9uZS1lbnJvbG1lbnQ"
L4T = "# R36 (release), REVISION: 4.4, GCID: 41062509, BOARD: generic, EABI: aarch64, DATE: Mon Jun 16"


def need(*programs: str) -> None:
    """Skip the test where one of these is not installed."""
    try:
        for program in programs:
            tool(program)
    except ToolError as error:
        pytest.skip(str(error))


def fleet_folder(folder: Path, bundle: Path, *changes: tuple[str, str]) -> Path:
    """Make everything that the example names but the BSP; `changes` replace text in it. Gives the file."""
    text = EXAMPLE.read_text("utf-8").replace("../models/tiny", str(bundle))
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "fleet.toml"
    file.write_text(text, "utf-8")
    (folder / "pki").mkdir(exist_ok=True)
    (folder / "pki/ca.pem").write_bytes(certificate())
    (folder / "pki/cloud.pub").write_bytes(cloud_key())
    (folder / "release").mkdir(exist_ok=True)
    _release(folder)
    (folder / "release/mirage-0.1.0-amd64.img").write_bytes(b"an image")
    (folder / "claims").mkdir(exist_ok=True)
    for device in ("north-gate", "north-yard", "north-ramp"):
        claim = folder / "claims" / f"{device}.claim"
        claim.write_text(f"{CLAIM}\n")
        claim.chmod(0o600)
    return file


def certificate() -> bytes:
    """Give an authority's certificate."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(now).not_valid_after(now + timedelta(days=365))
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def private_key() -> bytes:
    """Give what must never be in a seed."""
    key = generate_private_key(SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def cloud_key() -> bytes:
    """Give the public half of a cloud's key."""
    return (
        X25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )


def _release(folder: Path) -> None:
    """Write a signed archive for JetPack 6, and who may sign."""
    made.archive(folder / "release/mirage-0.1.0-jetpack6.tar", platform="jetpack6")
    pem = made.KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "pki/release.pub").write_bytes(pem)


_TOOL = """#!/bin/sh
printf '%s\\n' "$0 $*" >>"{calls}"
{more}
"""


def fake_bsp(root: Path, calls: Path) -> Path:
    """Make a Jetson Linux tree, before apply_binaries.sh, whose programs note their calls in `calls`."""
    rootfs = root / "rootfs"
    for folder in ("etc/systemd/system", "usr/bin", "opt"):
        (rootfs / folder).mkdir(parents=True)
    (rootfs / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    (rootfs / "usr/bin/cloud-init").touch()
    (root / "tools/kernel_flash").mkdir(parents=True)
    (root / "tools/kernel_flash/flash_l4t_t234_nvme.xml").touch()
    (root / "bootloader/generic/cfg").mkdir(parents=True)
    (root / "bootloader/generic/cfg/flash_t234_qspi.xml").touch()
    for board in ("jetson-orin-nano-devkit", "jetson-agx-orin-devkit"):
        (root / f"{board}.conf").touch()
    programs = {
        "apply_binaries.sh": f'echo "{L4T}" >rootfs/etc/nv_tegra_release',
        "tools/l4t_create_default_user.sh": "",
        "tools/kernel_flash/l4t_initrd_flash.sh": "",
    }
    for name, more in programs.items():
        (root / name).write_text(_TOOL.format(calls=calls, more=more))
        (root / name).chmod(0o755)
    return root


def plug(usb: Path, port: str, product: str, mbps: str = "480", vendor: str = "0955") -> None:
    """Let a USB device appear."""
    device = usb / port
    device.mkdir(parents=True)
    (device / "idVendor").write_text(f"{vendor}\n")
    (device / "idProduct").write_text(f"{product}\n")
    (device / "speed").write_text(f"{mbps}\n")


def unplug(usb: Path) -> None:
    """Let all USB devices vanish."""
    shutil.rmtree(usb)
