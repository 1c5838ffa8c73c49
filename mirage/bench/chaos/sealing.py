"""Keys for one run, drawn anew: the device's own and the cloud's, and the device's entry in the register."""

import os
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from edge.keys import Keys
from edge.session import PlainSession, SealedSession, Session
from mirage.bench.chaos.settings import AGENT, AGENT_CAMERA, CAMERAS, TOPICS, Settings

ROTATION_S = 25.0  # between two keys of a connection
AGENT_KEY = "agent.key"
DEVICE_KEY, CLOUD_KEY, CLOUD_PUBLIC = "device.key", "cloud.key", "cloud.pub"


def make_keys(folder: Path, store: Path) -> None:
    """Write the keys into a folder, and enrol device and agent in a store, made if it is not there."""
    from cloud.enrolment import Enrolment, enrol
    from cloud.store import Store

    cloud = X25519PrivateKey.generate()
    _write(folder / CLOUD_KEY, cloud)
    public = cloud.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / CLOUD_PUBLIC).write_bytes(public)
    register = Store(f"sqlite:///{store}")
    try:
        for name, topics, cameras in ((DEVICE_KEY, TOPICS, CAMERAS), (AGENT_KEY, AGENT, (AGENT_CAMERA,))):
            own = generate_private_key(SECP256R1())
            _write(folder / name, own)
            with register.write() as session:
                enrol(session, Enrolment(topics, cameras, own.public_key(), time.time_ns() // 1_000_000))
    finally:
        register.close()


def session_of(settings: Settings, boot_id: bytes) -> Session:
    """Begin what the device seals with, or leaves unsealed."""
    if settings.envelope == "none":
        return PlainSession()
    folder = Path(settings.folder)
    device = load_pem_private_key((folder / DEVICE_KEY).read_bytes(), None)
    cloud = load_pem_public_key((folder / CLOUD_PUBLIC).read_bytes())
    if not isinstance(device, EllipticCurvePrivateKey) or not isinstance(cloud, X25519PublicKey):
        raise TypeError("the keys of this run are of another kind")
    return SealedSession(Keys(device, cloud), TOPICS, boot_id, os.urandom, lifetime_s=ROTATION_S)


def _write(path: Path, key: EllipticCurvePrivateKey | X25519PrivateKey) -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.touch(mode=0o600)
    path.write_bytes(pem)
