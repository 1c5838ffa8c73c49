"""What is in a frame, and who sent it: told by its topic on a trusted broker, else by the key that opens it.

frame --header--> key id --(device, key id), newest first--> at most TRIES keys --> body, boot
                     |-- no such key: its birth has not come yet, so the frame waits
                     '-- such keys of earlier boots only, and none opens it: the same
"""

from collections import OrderedDict
from typing import NamedTuple, Protocol

from sqlalchemy import func, select

from cloud.clock import Clock
from cloud.enrolment import enrolled_at
from cloud.registry import Registry
from cloud.schema import BootRow, DeviceRow, EnrolmentRow, KeyRow
from cloud.store import Store
from wire import keys
from wire.envelope import UNSEALED, EnvelopeError, Header, PlainEnvelope, SealedEnvelope, read_header
from wire.topics import Topic

TRIES = 4  # a key id comes again after 255 keys, and each boot begins anywhere
MAX_CACHED = 16_384  # pairs of device and key id
_IS_CURRENT = BootRow.boot_hex == DeviceRow.boot_hex
REVOCATION_MS = 5_000  # how long a revoked device is still heard at most, and a new camera is not


class Opening(NamedTuple):
    """A body. `boot_id` (row) and `key` (row) are None where nothing but the topic tells who sent it."""

    body: bytes
    device_id: int
    boot_id: int | None
    key: int | None
    counter: int


class Opener(Protocol):
    """Opens what devices send."""

    def open(self, topic: Topic, name: str, frame: bytes, now_ms: int) -> Opening | None:
        """Give what is in a frame that came under `name`; None if its key has not come yet.

        Raises EnvelopeError, StoreError.
        """
        ...


class PlainOpener:
    """Takes unsealed frames, of whoever the topic names."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._envelope = PlainEnvelope()

    def open(self, topic: Topic, name: str, frame: bytes, now_ms: int) -> Opening | None:
        body = self._envelope.unwrap(frame, name)
        return Opening(body, self._registry.device(topic, now_ms), None, None, 0)


class _Key(NamedTuple):
    """The uplink half of a connection key."""

    id: int
    device_id: int
    boot_id: int
    envelope: SealedEnvelope
    cameras: tuple[str, ...]  # enrolled


class Keyring:
    """Takes sealed frames of enrolled devices. Remembers keys; for one thread."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._cache: OrderedDict[tuple[str, str, str, int], tuple[_Key, ...]] = OrderedDict()
        self._checked_ms = 0
        self._register: tuple[int, ...] | None = None

    def open(self, topic: Topic, name: str, frame: bytes, now_ms: int) -> Opening | None:
        del now_ms
        header = read_header(frame)
        if header.key_id == UNSEALED:
            raise EnvelopeError("frame is not sealed, and this cloud takes sealed ones only")
        self._heed_register()
        place = (topic.tenant, topic.site, topic.device, header.key_id)
        tried: tuple[_Key, ...] = self._cache.get(place, ())
        for key in tried:
            opening = _try(key, topic, name, frame, header)
            if opening is not None:
                return opening
        found, is_current = self._load(topic, header.key_id, tried)
        if found:
            self._remember(place, found)
        for key in found:
            opening = None if key in tried else _try(key, topic, name, frame, header)
            if opening is not None:
                return opening
        if is_current:
            raise EnvelopeError("frame was altered, or its key or topic is another")
        return None

    def _remember(self, place: tuple[str, str, str, int], found: tuple[_Key, ...]) -> None:
        self._cache[place] = found
        self._cache.move_to_end(place)
        if len(self._cache) > MAX_CACHED:
            self._cache.popitem(last=False)

    def _load(self, topic: Topic, key_id: int, known: tuple[_Key, ...]) -> tuple[tuple[_Key, ...], bool]:
        """Look for keys of this id, the newest first; tell whether one is of the device's current boot."""
        query = (
            select(KeyRow.id, KeyRow.device_id, KeyRow.boot_id, KeyRow.secret, _IS_CURRENT)
            .join(DeviceRow, DeviceRow.id == KeyRow.device_id)
            .join(BootRow, BootRow.id == KeyRow.boot_id)
            .where(DeviceRow.tenant == topic.tenant, DeviceRow.site == topic.site)
            .where(DeviceRow.name == topic.device, KeyRow.key_id == key_id)
            .order_by(KeyRow.id.desc())
            .limit(TRIES)
        )
        with self._store.read() as session:
            enrolled = enrolled_at(session, topic)
            if enrolled is None:
                raise EnvelopeError(f"device {topic.device} is not enrolled here, or is revoked")
            rows = session.execute(query).all()
        made = {key.id: key for key in known}
        found = tuple(
            made.get(row_id)
            or _Key(row_id, device_id, boot_id, SealedEnvelope(keys.up(secret), key_id), enrolled.cameras)
            for row_id, device_id, boot_id, secret, _ in rows
        )
        return found, any(row[-1] for row in rows)

    def _heed_register(self) -> None:
        """Forget all keys once a device was enrolled or revoked: what is remembered was allowed before."""
        now_ms = self._clock()
        if 0 <= now_ms - self._checked_ms < REVOCATION_MS:
            return
        self._checked_ms = now_ms
        revoked, enrolled = EnrolmentRow.revoked_ms, EnrolmentRow.enrolled_ms
        columns = (func.count(revoked), func.max(revoked), func.count(enrolled), func.max(enrolled))
        with self._store.read() as session:
            register = tuple(value or 0 for value in session.execute(select(*columns)).one())
        if register != self._register:
            self._cache.clear()
        self._register = register


def _try(key: _Key, topic: Topic, name: str, frame: bytes, header: Header) -> Opening | None:
    try:
        body = key.envelope.open(header, frame, name)
    except EnvelopeError:
        return None
    if topic.camera is not None and topic.camera not in key.cameras:
        raise EnvelopeError(f"camera {topic.camera} of {topic.device} is not enrolled")
    return Opening(body, key.device_id, key.boot_id, key.id, header.counter)
