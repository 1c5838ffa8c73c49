"""Releases for the boot proof: a good one, a better one, and two that were broken on purpose."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from mirage.deploy.fleet import load
from mirage.deploy.release.command import Order, run
from mirage.deploy.release.keys import read_key
from mirage.deploy.release.publish import publish, read_base
from mirage.deploy.release.trees import read_entries, read_public_key, write_archive, write_tree
from tests.boot.stage import ROOT
from wire.release import DOCUMENT, Manifest, pack

# It ends at once, whatever is asked of it.
DEAD = {"mirage/edge_commands.py": "\nraise SystemExit('broken on purpose: ends at once')\n"}
# It runs, and cannot connect: nothing of it reaches the cloud.
DEAF = {
    "edge/link.py": """

def _nowhere(*_: object, **__: object) -> None:
    raise OSError("broken on purpose: no broker is reached")

mqtt.Client.connect = _nowhere
"""
}


@contextmanager
def _unseen(_what: str, _total: int) -> Iterator[Callable[[int], None]]:
    yield lambda _: None


def quickly(patch: pytest.MonkeyPatch) -> None:
    """Pack fast: how small packs are is measured elsewhere."""
    patch.setattr(pack, "LEVEL", 1)


def good(fleet: Path, output: Path, version: str, *bases: Path) -> tuple[Path, str]:
    """Build an agent from this working tree; gives its archive, and its id."""
    order = Order(
        load(fleet), fleet.parent, "amd64", output, ROOT / "out/wheels", version=version, bases=bases
    )
    report = run(order, _unseen)
    return Path(report.archive), report.id


def bundle(fleet: Path, output: Path) -> None:
    """Build the bundle's release."""
    run(Order(load(fleet), fleet.parent, None, output, ROOT / "out/wheels"), _unseen)


def broken(folder: Path, base: Path, output: Path, version: str, changes: Mapping[str, str]) -> str:
    """Append to files of a release, sign and publish that, with the key in `folder`; gives its id."""
    public = folder / "release.pub"
    key = read_key(folder / "release.key", read_public_key(public))
    tree = folder / f"broken-{version}"
    before = write_tree(base, tree, read_public_key(public))
    (tree / DOCUMENT).unlink()
    for name, text in changes.items():
        [path] = tree.glob(f"lib/python3.*/site-packages/{name}")
        path.write_text(path.read_text("utf-8") + text, "utf-8")
    made = Manifest("agent", before.name, version, "amd64", read_entries(tree), python=before.python)
    publish(tree, made, [read_base(base, made, key)], output, key, lambda _: None)
    with (folder / f"broken-{version}.tar").open("wb") as file:
        write_archive(tree, made, (tree / DOCUMENT).read_bytes(), file)
    shutil.rmtree(tree)
    return made.id
