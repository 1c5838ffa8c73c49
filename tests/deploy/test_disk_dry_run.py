"""What `mirage deploy flash --disk --dry-run` says, as a technician reads it."""

import json
import os
import re
from pathlib import Path

import pytest

from mirage.deploy.flashing import Order, Rim, flash_disk
from mirage.deploy.fleet import load
from tests.deploy.fleets import fleet_folder, need
from tests.deploy.test_disk import with_table

GOLDEN = Path(__file__).parent / "golden"
MIB = 2**20


@pytest.mark.parametrize("seed_only", [False, True])
def test_dry_run_shows_the_disk_and_what_goes_onto_it(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch, *, seed_only: bool
) -> None:
    need("mkfs.vfat", "mcopy")
    file = fleet_folder(tmp_path / "fleet", tiny)
    with_table(file.parent / "release/mirage-0.1.0-amd64.img", "esp", "cidata")
    disk = tmp_path / "sdb"
    disk.write_bytes(bytes(64 * MIB))
    programs = tmp_path / "bin"
    programs.mkdir()
    entry = {"name": "sdb", "path": str(disk), "type": "disk", "size": 64 * MIB, "model": "Ultra Fit"}
    listing = json.dumps({"blockdevices": [{**entry, "serial": "4C530001", "tran": "usb"}]})
    (programs / "lsblk").write_text(f"#!/bin/sh\ncat <<END\n{listing}\nEND\n")
    (programs / "lsblk").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    fleet, said = load(file), list[str]()
    order = Order(fleet, file.parent, (fleet.find("north-yard"),), dry_run=True)
    rim = Rim(said.append, lambda _: "never", lambda *_: None, tmp_path / "work")
    assert flash_disk(order, disk, None, rim, seed_only=seed_only) is None
    assert disk.read_bytes() == bytes(64 * MIB)
    text = "\n".join(said).replace(str(tmp_path), "HERE") + "\n"
    text = re.sub("SHA-256 [0-9a-f]{64}", "SHA-256 ...", text)
    golden = GOLDEN / ("seed-only.txt" if seed_only else "disk.txt")
    assert text == golden.read_text("utf-8"), f"if this is meant, write it to {golden.name}:\n{text}"
