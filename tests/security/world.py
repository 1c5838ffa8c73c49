"""Who is who: made once for all attacks, because keys and certificates take time."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from cloud.acl import Grant, acl, of_cloud
from cloud.enrolment import Enrolment, enrol
from cloud.store import Store
from tests.edge.sealing import write_private
from tests.pki import Credentials, Pki
from wire.topics import DeviceTopics

DOOR = DeviceTopics("acme", "north", "edge-1")
YARD = DeviceTopics("acme", "north", "edge-2")
RIVAL = DeviceTopics("rival", "north", "edge-3")
DEVICES = (DOOR, YARD, RIVAL)
CAMERAS = ("door", "yard")  # of each device
GROUP = "0123456789abcdef0123456789abcdef"
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class World:
    """What is made once: authority, certificates, keys, an empty store, a bundle."""

    pki: Pki
    credentials: Mapping[str, Credentials]
    cloud_key: X25519PrivateKey
    cloud_key_file: Path
    store_file: Path
    bundle: Path


def make_world(folder: Path, bundle: Path) -> World:
    """Certify everybody, enrol the devices, and write the access list."""
    pki = Pki(folder / "broker")
    issued = {device.device: pki.device(device) for device in DEVICES}
    issued |= {user: pki.client(user) for user in ("cloud.main", "master.all")}
    enrolled = [
        Enrolment(device, CAMERAS, issued[device.device].private_key.public_key(), 0) for device in DEVICES
    ]
    master = Grant("master.all", reads=("#", "$SYS/#"), writes=("#",))
    (pki.folder / "acl").write_text(acl(enrolled, [of_cloud("main"), master]))
    store_file = folder / "store.db"
    store = Store(f"sqlite:///{store_file}")
    with store.write() as session:
        for each in enrolled:
            enrol(session, each)
    store.close()
    cloud_key = X25519PrivateKey.generate()
    write_private(folder / "cloud.key", cloud_key)
    return World(pki, issued, cloud_key, folder / "cloud.key", store_file, bundle)
