"""What one connection is sealed with: drawn at its beginning, and again when it has lasted long.

    entropy --> secret --+-- wrapped for the cloud --> birth (signed) --.
                         +-- up   --> sem, telemetry                    +--> broker
                         '-- down <-- ack, cmd <------------------------'

Nothing of a key outlives the process, and no nonce is used twice: the counter begins with the key. What waits
in the spool is sealed at each publication, so a packet of an earlier boot goes up under this boot's key.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from msgspec import structs

from edge.keys import Keys
from wire import documents, envelope, keys, signature
from wire.documents import Birth
from wire.envelope import EnvelopeError, PlainEnvelope, SealedEnvelope
from wire.topics import DeviceTopics

LIFETIME_S = 24 * 3600.0
LIFETIME_FRAMES = 2**20
REST_S = 15.0  # a younger key is kept where it need not go: a cloud takes so many over time
_REMEMBERED = 4  # keys with which what comes down may be sealed: a retained ack is as old as the broker likes


@dataclass(frozen=True, slots=True)
class Opened:
    """What came down. `fresh`: under a key of this connection, so no older than that.

    `key` and `counter` tell one frame from all others; without sealing there is no counter.
    """

    body: bytes
    fresh: bool = True
    key: int = 0
    counter: int | None = None


class Session(Protocol):
    """Seals what goes up and opens what comes down. For one thread; times are monotonic, in seconds.

    `tells_boot`: whoever opens a frame knows by its key of which boot it is.
    """

    tells_boot: bool

    def connect(self, now_s: float) -> None:
        """Begin a connection."""
        ...

    def is_due(self, now_s: float) -> bool:
        """Tell whether to `renew`."""
        ...

    def is_young(self, now_s: float) -> bool:
        """Tell whether not to `renew` without need."""
        ...

    def renew(self, now_s: float) -> None:
        """Take another key; `birth` must be published before anything is sealed with it."""
        ...

    def birth(self, birth: Birth) -> bytes:
        """Write this boot's birth, with the present key."""
        ...

    def earlier_birth(self, birth: Birth) -> bytes:
        """Write another boot's birth, which has no key."""
        ...

    def seal(self, body: bytes, topic: str) -> bytes:
        """Make a frame."""
        ...

    def open(self, payload: bytes, topic: str) -> Opened:
        """Open an ack or a command, or raise EnvelopeError."""
        ...


class PlainSession:
    """Nothing is sealed or signed, and documents come as they are: for a lab."""

    tells_boot = False

    def __init__(self) -> None:
        self._envelope = PlainEnvelope()

    def connect(self, now_s: float) -> None:  # noqa: ARG002 (part of the protocol)
        self._envelope = PlainEnvelope()

    def is_due(self, now_s: float) -> bool:  # noqa: ARG002 (part of the protocol)
        return False

    def is_young(self, now_s: float) -> bool:  # noqa: ARG002 (part of the protocol)
        return True

    def renew(self, now_s: float) -> None:
        """There is no key."""

    def birth(self, birth: Birth) -> bytes:
        return documents.encode(birth)

    def earlier_birth(self, birth: Birth) -> bytes:
        return documents.encode(birth)

    def seal(self, body: bytes, topic: str) -> bytes:
        return self._envelope.wrap(body, topic)

    def open(self, payload: bytes, topic: str) -> Opened:  # noqa: ARG002 (part of the protocol)
        return Opened(payload)


@dataclass(frozen=True, slots=True)
class _Down:
    """A key of what comes down. `number` counts all keys of the process: their ids come again."""

    number: int
    key_id: int
    envelope: SealedEnvelope


class SealedSession:
    """Keys as wire/keys.py and wire/signature.py describe them. The first key id is random: boots differ."""

    tells_boot = True

    def __init__(
        self,
        own: Keys,
        topics: DeviceTopics,
        boot_id: bytes,
        entropy: Callable[[int], bytes],
        lifetime_s: float = LIFETIME_S,
        lifetime_frames: int = LIFETIME_FRAMES,
    ) -> None:
        """Take `entropy` for a source of random bytes: it gets their number."""
        self._own = own
        self._topic = topics.birth
        self._boot_hex = boot_id.hex()
        self._entropy = entropy
        self._lifetime_s = lifetime_s
        self._lifetime_frames = lifetime_frames
        self._key_id = int.from_bytes(entropy(4), "big") % keys.LAST_KEY_ID + 1
        self._down: deque[_Down] = deque(maxlen=_REMEMBERED)
        self._number = self._first = 0
        self._renew(0.0)

    def connect(self, now_s: float) -> None:
        self.renew(now_s)
        self._first = self._number

    def is_due(self, now_s: float) -> bool:
        return self._frames >= self._lifetime_frames or now_s - self._since_s >= self._lifetime_s

    def is_young(self, now_s: float) -> bool:
        return now_s - self._since_s < REST_S

    def renew(self, now_s: float) -> None:
        self._key_id = keys.next_key_id(self._key_id)
        self._renew(now_s)

    def birth(self, birth: Birth) -> bytes:
        return self._signed(structs.replace(birth, key_id=self._key_id, wrapped_key=self._wrapped))

    def earlier_birth(self, birth: Birth) -> bytes:
        return self._signed(birth)

    def seal(self, body: bytes, topic: str) -> bytes:
        self._frames += 1
        return self._up.wrap(body, topic)

    def open(self, payload: bytes, topic: str) -> Opened:
        header = envelope.read_header(payload)
        for down in self._down:
            if down.key_id == header.key_id:
                body = down.envelope.unwrap(payload, topic)
                return Opened(body, down.number >= self._first, down.number, header.counter)
        raise EnvelopeError(f"frame is sealed with key {header.key_id}, which is not one of the last")

    def _renew(self, now_s: float) -> None:
        secret = self._entropy(keys.SECRET_BYTES)
        context = keys.context_of(self._topic, self._boot_hex, self._key_id)
        self._wrapped = keys.wrap(secret, self._own.cloud, context)
        self._up = SealedEnvelope(keys.up(secret), self._key_id)
        self._number += 1
        self._down.append(_Down(self._number, self._key_id, SealedEnvelope(keys.down(secret), self._key_id)))
        self._since_s = now_s
        self._frames = 0

    def _signed(self, birth: Birth) -> bytes:
        return signature.sign(documents.encode(birth), self._own.device, self._topic)
