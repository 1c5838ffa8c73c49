"""What is in an image, as CycloneDX 1.6 (cyclonedx.org): Debian's packages, wheels, agent, bundle, by hash.

The same image has the same document: its serial number follows from what is in it, its time is the image's.
"""

import email
import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote

from mirage.deploy.image.order import Identity, Order
from mirage.deploy.image.packages import SUITE, Package
from mirage.deploy.image.tree import Laid
from wire.release import Manifest
from wire.release.documents import canonical

SPEC = "1.6"


def sbom(order: Order, ids: Identity, packages: Iterable[Package], laid: Laid, root: Path) -> str:
    """Write the document of an image whose tree is still at `root`."""
    top = {"type": "firmware", "bom-ref": "image", "name": f"mirage-{order.arch}", "version": order.version}
    slot = root / "opt/mirage/slots/a"
    parts = [
        _release(laid.agent, "application"),
        _release(laid.bundle, "machine-learning-model"),
        *(_deb(each) for each in sorted(packages)),
        *sorted(_wheels(slot), key=lambda wheel: str(wheel["bom-ref"])),
    ]
    agent = str(parts[0]["bom-ref"])
    wheels = [str(each["bom-ref"]) for each in parts if str(each["bom-ref"]).startswith("pkg:pypi/")]
    others = [str(each["bom-ref"]) for each in parts if str(each["bom-ref"]) not in wheels]
    document = {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "serialNumber": f"urn:uuid:{ids.uuid('sbom')}",
        "version": 1,
        "metadata": {
            "timestamp": f"{datetime.fromtimestamp(order.epoch_s, timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
            "tools": {"components": [{"type": "application", "name": "mirage deploy image"}]},
            "component": top,
        },
        "components": parts,
        "dependencies": [{"ref": "image", "dependsOn": others}, {"ref": agent, "dependsOn": wheels}],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _deb(package: Package) -> dict[str, object]:
    name, version = quote(package.name, safe=""), quote(package.version, safe="")
    purl = f"pkg:deb/debian/{name}@{version}?arch={package.arch}&distro={SUITE}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": package.name,
        "version": package.version,
        "hashes": [{"alg": "SHA-256", "content": package.sha256}],
        "purl": purl,
    }


def _release(release: Manifest, kind: str) -> dict[str, object]:
    """Describe a release; its hash is that of its signed list of files."""
    hashes = [{"alg": "SHA-256", "content": hashlib.sha256(canonical(release)).hexdigest()}]
    return {
        "type": kind,
        "bom-ref": f"{release.kind}:{release.name}@{release.id}",
        "name": release.name,
        "version": release.version,
        "hashes": hashes,
        "properties": [{"name": "mirage:release", "value": release.id}],
    }


def _wheels(slot: Path) -> Iterator[dict[str, object]]:
    """List what was unpacked into a slot; RECORD, by its hash, has the hash of each file."""
    for about in sorted(slot.glob("lib/python3.*/site-packages/*.dist-info/METADATA")):
        fields = email.message_from_bytes(about.read_bytes())
        name, version = fields["Name"].lower().replace("_", "-").replace(".", "-"), fields["Version"]
        purl = f"pkg:pypi/{quote(name, safe='')}@{quote(version, safe='')}"
        record = hashlib.sha256(about.with_name("RECORD").read_bytes()).hexdigest()
        yield {
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": version,
            "purl": purl,
            "properties": [{"name": "mirage:sha256-of-RECORD", "value": record}],
        }
