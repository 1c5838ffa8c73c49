"""What somebody makes who has some of the keys."""

import os
import time

from msgspec.structs import replace

from tests.pki import Credentials
from tests.security.world import World
from wire import keys, signature
from wire.documents import Birth, decode_birth, encode
from wire.envelope import SealedEnvelope
from wire.topics import DeviceTopics


def secret_of(world: World, topics: DeviceTopics, birth: bytes) -> tuple[int, bytes]:
    """Open a birth as the cloud does: key id and secret."""
    read = decode_birth(birth)
    assert read.wrapped_key is not None
    context = keys.context_of(topics.birth, read.boot_id, read.key_id)
    return read.key_id, keys.unwrap(read.wrapped_key, world.cloud_key, context)


def birth_with_key(
    world: World, signer: Credentials, topics: DeviceTopics, birth: Birth, key_id: int = 7
) -> bytes:
    """Make a birth as a device does, with a new connection key."""
    context = keys.context_of(topics.birth, birth.boot_id, key_id)
    wrapped = keys.wrap(os.urandom(32), world.cloud_key.public_key(), context)
    return signed(signer, topics, birth, key_id, wrapped)


def signed(
    signer: Credentials, topics: DeviceTopics, birth: Birth, key_id: int, wrapped: str | None
) -> bytes:
    """Sign a birth as the owner of any key."""
    document = replace(birth, key_id=key_id, wrapped_key=wrapped, signature=None)
    return signature.sign(encode(document), signer.private_key, topics.birth)


def wrong_envelope(key_id: int) -> SealedEnvelope:
    """Seal with a key that nobody knows."""
    return SealedEnvelope(os.urandom(32), key_id)


class Thief:
    """Has the key of a connection, and uses it beside the device; its counters are far ahead."""

    def __init__(self, world: World, topics: DeviceTopics, birth: bytes) -> None:
        self.key_id, secret = secret_of(world, topics, birth)
        self.keys = (secret, keys.up(secret), keys.down(secret))
        self._up = SealedEnvelope(keys.up(secret), self.key_id)
        self._counter = time.time_ns()

    def seal(self, body: bytes, topic: str) -> bytes:
        self._counter += 1
        return self._up.seal(self._counter, body, topic)
