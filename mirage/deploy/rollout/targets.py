"""Which releases are meant: by folder, archive, or id, each signed with the fleet's key.

FOLDER       as `mirage deploy release -o FOLDER` makes it: those of the fleet file's version
FILE.tar     one archive
ID           one release, as the server at update.url has it
"""

import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mirage.deploy.fleet import Fleet
from mirage.deploy.release.checks import release_key
from mirage.deploy.release.trees import read_manifest
from wire.release import DOCUMENT, MAX_DOCUMENT, Manifest, ReleaseError, verify

_ID = re.compile(r"[0-9a-f]{16}")
_TIMEOUT_S = 30.0


class TargetError(ValueError):
    """The releases cannot be used for this fleet; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """One release. `sha256` is what births say of a bundle."""

    id: str
    kind: str
    platform: str
    version: str
    sha256: str = ""


def read_agents(fleet: Fleet, folder: Path, names: Sequence[str]) -> dict[str, Target]:
    """Give each platform's release; `folder` is that of the fleet file. Raises TargetError, TreeError."""
    found = [target for name in names for target in _read(fleet, folder, name, "agent")]
    by_platform: dict[str, Target] = {}
    for target in found:
        other = by_platform.setdefault(target.platform, target)
        if other.id != target.id:
            raise TargetError(
                f"{target.platform}: both {other.id} ({other.version}) and {target.id} ({target.version}) "
                f"are for it: say --release ID"
            )
    versions = {target.version for target in found}
    if len(versions) > 1:
        raise TargetError(f"versions {', '.join(sorted(versions))} at once: one rollout brings one version")
    return by_platform


def read_bundle(fleet: Fleet, folder: Path, name: str) -> Target:
    """Give the bundle. Raises TargetError, TreeError."""
    found = _read(fleet, folder, name, "bundle")
    if len({target.id for target in found}) != 1:
        ids = ", ".join(f"{target.id} ({target.version})" for target in found)
        raise TargetError(f"{name}: has {len(found)} bundles ({ids}): say --bundle ID")
    return found[0]


def _read(fleet: Fleet, folder: Path, name: str, kind: str) -> list[Target]:
    key = release_key(fleet, folder)
    if _ID.fullmatch(name) and not Path(name).exists():
        manifests = [_fetched(fleet, folder, name)]
    else:
        manifests = [read_manifest(each, key) for each in _sources(Path(name))]
    of_kind = [each for each in manifests if each.kind == kind]
    if not of_kind:
        raise TargetError(f"{name}: has no release of kind {kind}")
    wanted = of_kind
    if kind == "agent" and len({each.version for each in of_kind}) > 1:
        wanted = [each for each in of_kind if each.version == fleet.release.version]
    if not wanted:
        versions = ", ".join(sorted({each.version for each in of_kind}))
        raise TargetError(
            f"{name}: has {versions}, and not {fleet.release.version}, which release.version says"
        )
    return [_target(each) for each in wanted]


def _sources(path: Path) -> Iterable[Path]:
    """Give what to read: the path itself, or the releases in it."""
    if not path.is_dir() or (path / DOCUMENT).exists():
        return [path]
    found = sorted(each.parent for each in path.glob(f"*/{DOCUMENT}"))
    if not found:
        raise TargetError(f"{path}: has no ID/{DOCUMENT}: `mirage deploy release -o {path}` makes it")
    return found


def _fetched(fleet: Fleet, folder: Path, release: str) -> Manifest:
    """Ask the server that devices ask."""
    if fleet.update.url is None:
        raise TargetError(f"{release}: update.url is not set, so nothing says what it is: give its folder")
    url = f"{fleet.update.url.rstrip('/')}/{release}/{DOCUMENT}"
    trust = ssl.create_default_context(cafile=str(folder / fleet.broker.ca))
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S, context=trust) as answer:  # noqa: S310 (https: the fleet file's)
            data = answer.read(MAX_DOCUMENT + 1)
    except (OSError, urllib.error.URLError) as error:
        raise TargetError(
            f"{url}: {getattr(error, 'reason', None) or error}: give its folder instead"
        ) from error
    try:
        manifest = verify(data, Manifest, release_key(fleet, folder))
    except ReleaseError as error:
        raise TargetError(f"{url}: {error}") from error
    if manifest.id != release:
        raise TargetError(f"{url}: is release {manifest.id}")
    return manifest


def _target(manifest: Manifest) -> Target:
    sha256 = (manifest.bundle_sha256 or "")[:16]
    return Target(manifest.id, manifest.kind, manifest.platform, manifest.version, sha256)
