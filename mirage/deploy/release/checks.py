"""Whether an archive is the release that the fleet file means, signed with the key that it names."""

from pathlib import Path
from typing import TYPE_CHECKING

from mirage.deploy.device import Platform
from mirage.deploy.fleet import Fleet
from mirage.deploy.release.trees import TreeError, check_tree, read_manifest, read_public_key
from wire.release import Manifest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HOW_KEY = "`mirage deploy release-key` makes it"


def release_key(fleet: Fleet, folder: Path) -> "Ed25519PublicKey":
    """Read who may sign the fleet's releases; `folder` is that of the fleet file. Raises TreeError."""
    if fleet.release.key is None:
        raise TreeError(f"release.key is not set: the public key that signs releases; {HOW_KEY}")
    path = folder / fleet.release.key
    if not path.exists():
        raise TreeError(f"{path}: no such file (release.key): {HOW_KEY}")
    return read_public_key(path)


def check_archive(fleet: Fleet, platform: Platform, folder: Path, *, deep: bool = False) -> Manifest:
    """Raise TreeError unless release.archives has what it says for a platform; `deep` reads every file."""
    name = fleet.release.archives.get(platform)
    made = f"`mirage deploy release --fleet FILE --platform {platform} -o releases` makes it"
    if name is None:
        raise TreeError(f"release.archives has no {platform}: {made}, and says where it is")
    path, where = folder / name, f"release.archives.{platform}"
    if not path.exists():
        raise TreeError(f"{path}: no such file ({where}): {made}")
    key = release_key(fleet, folder)
    manifest = check_tree(path, key) if deep else read_manifest(path, key)
    if (manifest.kind, manifest.platform) != ("agent", platform):
        found = f"{manifest.kind} {manifest.name} for {manifest.platform}"
        raise TreeError(f"{path}: is {found}, not what {where} wants")
    if manifest.version != fleet.release.version:
        raise TreeError(
            f"{path}: is version {manifest.version}, release.version says {fleet.release.version}"
        )
    return manifest
