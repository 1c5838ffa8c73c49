"""A device as it is enrolled: it signs its births, and seals what it sends under a key of each connection."""

import os
from dataclasses import dataclass, field

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from cloud.births import Births
from cloud.bundles import Bundles
from cloud.derivation import Derivation
from cloud.enrolment import Enrolment, enrol, revoke
from cloud.inbox import Inbox
from cloud.opening import Keyring
from cloud.registry import Registry
from cloud.store import Store
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.sample import BOOT_WALL_MS, Device
from wire import documents, keys, signature
from wire.bundle import Bundle
from wire.envelope import SealedEnvelope
from wire.telemetry import REPLY, Telemetry

CLOUD_KEY = X25519PrivateKey.from_private_bytes(bytes(range(32)))


@dataclass
class SealedDevice(Device):
    """`connect` draws a new key, which `birth` then brings."""

    cloud: X25519PrivateKey = CLOUD_KEY
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    key_id: int = 7

    def __post_init__(self) -> None:
        super().__post_init__()
        self.connect(self.key_id)

    def connect(self, key_id: int) -> None:
        self.key_id, self.secret = key_id, os.urandom(32)
        self.envelope = SealedEnvelope(keys.up(self.secret), key_id)

    def reboot(self) -> None:
        """Begin another boot with another key; the spool is empty."""
        self.boot, self.sequence, self.previous = self.boot + 1, 0, {}
        self.connect(self.key_id + 1)

    def unsigned(self, boot_wall_ms: int = BOOT_WALL_MS) -> bytes:
        plain = documents.decode_birth(super().birth(boot_wall_ms))
        context = keys.context_of(self.topics.birth, self.boot_hex, self.key_id)
        wrapped = keys.wrap(self.secret, self.cloud.public_key(), context)
        return documents.encode(msgspec.structs.replace(plain, key_id=self.key_id, wrapped_key=wrapped))

    def birth(self, boot_wall_ms: int = BOOT_WALL_MS) -> bytes:
        return signature.sign(self.unsigned(boot_wall_ms), self.key, self.topics.birth)

    def telemetry(self, record: Telemetry) -> bytes:
        return self.envelope.wrap(bytes(record), self.topics.telemetry)

    def reply(self, reply: documents.Reply) -> bytes:
        return self.envelope.wrap(bytes((REPLY,)) + documents.encode(reply), self.topics.telemetry)

    def opened(self, frame: bytes, topic: str) -> bytes:
        """Open what came down."""
        return SealedEnvelope(keys.down(self.secret), self.key_id).unwrap(frame, topic)


class SealedDesk(Desk):
    """An inbox that believes nothing, fed by hand. Its clock is `now_ms`."""

    def __init__(
        self, store: Store, bundle: Bundle, cloud_keys: tuple[X25519PrivateKey, ...] = (CLOUD_KEY,)
    ) -> None:
        super().__init__(store, [bundle])
        self.now_ms = NOW_MS
        registry = Registry(store)
        keyring = Keyring(store, lambda: self.now_ms)
        self.inbox = Inbox(store, registry, Births(store, registry, cloud_keys), keyring)
        self.derivation = Derivation(store, Bundles([bundle]), render_all=False)

    def enrol(self, device: SealedDevice, *cameras: str) -> None:
        wanted = Enrolment(device.topics, cameras or ("gate",), device.key.public_key(), NOW_MS)
        with self.store.write() as session:
            enrol(session, wanted)

    def revoke(self, device: SealedDevice) -> None:
        with self.store.write() as session:
            revoke(session, device.name, self.now_ms)
