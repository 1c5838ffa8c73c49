"""From a fleet file, and what was typed, to an order."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mirage
from mirage.deploy.boards import Arch
from mirage.deploy.fleet import Fleet
from mirage.deploy.image.order import EPOCH_S, Order
from mirage.deploy.image.packages import Package, own_mirror, read_lock, security_of, wanted
from mirage.deploy.release.checks import check_archive
from mirage.errors import InputError
from mirage.output import read_input

DATA = Path(mirage.__file__).resolve().parent.parent / "deploy"
APT = Path("/etc/apt")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was typed; None where nothing was."""

    arch: Arch
    output: Path | None = None
    lock: Path | None = None
    include: tuple[str, ...] = ()
    mirror: str | None = None
    epoch_s: int | None = None
    work: Path | None = None


def order_of(fleet: Fleet, folder: Path, wishes: Wishes) -> Order:
    """Understand what is to be built. Raises InputError, TreeError and PackageError."""
    arch = wishes.arch
    check_archive(fleet, arch, folder)
    image = fleet.release.images.get(arch)
    if wishes.output is None and image is None:
        raise InputError(f"release.images has no {arch}, and there is no --output")
    if fleet.bundle.archive is None:
        raise InputError(
            "bundle.archive is not set: `mirage deploy release --fleet FILE --bundle -o releases` makes it"
        )
    mirror = wishes.mirror or own_mirror(lists(APT))
    return Order(
        arch,
        fleet.release.version,
        folder / fleet.release.archives[arch],
        folder / fleet.bundle.archive,
        folder / str(fleet.release.key),
        DATA,
        wishes.output or folder / str(image),
        (wishes.work or Path(f"out/deploy/image-{arch}")).resolve(),
        mirror,
        security_of(mirror),
        wanted(
            arch,
            wishes.include,
            access=bool(fleet.access.ssh_keys),
            tpm=any(each.tpm is not None and each.platform == arch for each in fleet.device),
        ),
        None if wishes.lock is None else _lock(wishes.lock, arch),
        EPOCH_S if wishes.epoch_s is None else wishes.epoch_s,
    )


def lists(apt: Path) -> Mapping[str, str]:
    """Read where a machine gets its packages from."""
    files = [apt / "sources.list", *sorted(apt.glob("sources.list.d/*"))]
    return {path.name: path.read_text("utf-8", "replace") for path in files if path.is_file()}


def _lock(path: Path, arch: Arch) -> tuple[Package, ...]:
    try:
        return read_lock(read_input(path).decode("ascii"), arch, str(path))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no plain text") from error
