"""Targets of what keeps strangers out: signatures, wrapped keys, sealed documents; and of telemetry.

Keys are fixed, so that the same seed gives the same inputs; signatures and wrapped keys are not (both draw at
random), so those are written here as they came out once.
"""

from typing import TYPE_CHECKING, Final

from mirage.bench.fuzz import samples
from wire import documents, keys, signature
from wire import telemetry as telemetries
from wire.documents import Command, DocumentError, Reply
from wire.envelope import EnvelopeError, SealedEnvelope
from wire.keys import SecretError
from wire.signature import SignatureError
from wire.spent import CAMERA_SLOTS, OWN_SLOTS, Codec, Sample, Spent
from wire.telemetry import Alarm, Telemetry, TelemetryError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

ACK_TOPIC: Final = "mirage/v1/acme/north/edge-1/ack"
BIRTH_TOPIC: Final = "mirage/v1/acme/north/edge-1/birth"
_BOOT, _KEY_ID = "0123456789abcdef", 3
_CONTEXT = keys.context_of(BIRTH_TOPIC, _BOOT, _KEY_ID)
_SECRET = bytes(range(keys.SECRET_BYTES))
_SIGNATURE = "5hugHesW9I72lTMbcvq8a9p-Kmt_ZGeZHiLe5FFiI1AzIxOqVYNKXvYzEX6I8Q_Zgegl1oss6YtRjBlExjKJng"
_WRAPPED = (
    "1pEntw9xrh49jhs1tYpkXE0Nh-61pL6Re-38KFBVbmlyoCUO47ltTXulncA6"
    "h6cP6xDSXK5z6fNR-7rZN72k3d-CJ5CMkdDeNNgixiAdOeg"
)


def device_key() -> "EllipticCurvePublicKey":
    """Give the public half of the device's fixed key."""
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.derive_private_key(12345, ec.SECP256R1()).public_key()


def cloud_key() -> "X25519PrivateKey":
    """Give the cloud's fixed key."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return X25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


class Verified:
    """Takes births that the device signed, and no others."""

    errors = (SignatureError, DocumentError)

    def __init__(self) -> None:
        self._key = device_key()
        document = documents.encode(samples.UNSIGNED_BIRTH).removesuffix(b"}")
        self.valid = (document + b',"signature":"' + _SIGNATURE.encode() + b'"}',)

    def __call__(self, data: bytes) -> bool:
        """Read a birth; tell whether it is the one that was signed, as it must be if it is taken."""
        signature.verify(data, self._key, BIRTH_TOPIC)
        return documents.decode_birth(data) == documents.decode_birth(self.valid[0])


class Unwrapped:
    """Takes the secret that was wrapped for the cloud, and no other."""

    errors = (SecretError,)

    def __init__(self) -> None:
        self._key = cloud_key()
        self.valid = (_WRAPPED.encode(),)

    def __call__(self, data: bytes) -> bool:
        """Unwrap; tell whether it is the secret."""
        return keys.unwrap(data.decode("utf-8", "surrogateescape"), self._key, _CONTEXT) == _SECRET


class OpenedAck:
    """Takes acks that the cloud sealed."""

    errors = (EnvelopeError, DocumentError)

    def __init__(self) -> None:
        self._envelope = SealedEnvelope(keys.down(_SECRET), _KEY_ID)
        sealing = SealedEnvelope(keys.down(_SECRET), _KEY_ID)
        self.valid = tuple(sealing.wrap(ack, ACK_TOPIC) for ack in samples.acks())
        self._sealed = samples.acks()

    def __call__(self, data: bytes) -> bool:
        """Open an ack; tell whether it is one of those that were sealed."""
        return self._envelope.unwrap(data, ACK_TOPIC) in self._sealed


def telemetry(data: bytes) -> bool:
    """Read a record; tell whether it is written as something that is read the same."""
    records = telemetries.parse(data)
    return telemetries.parse(telemetries.write(records)) == records


TELEMETRY_ERRORS: Final = (TelemetryError,)


def records() -> tuple[bytes, ...]:
    """Give telemetry: quiet, busy, with what this version does not know."""
    busy = Telemetry(86_400, 40_000, 12_000_000, 90_000, 12, 300, frozenset(Alarm))
    own = Spent(None, tuple(range(60, 60 + len(OWN_SLOTS))))
    cameras = [Spent(number, tuple(range(900, 900 + len(CAMERA_SLOTS)))) for number in (0, 63)]
    minute = Telemetry(2_678_400, spent=(own, *cameras), encode_ms=140, temperature_c=67, power_dw=92)
    remark = Telemetry(60, span_s=0, samples=(Sample(0, Codec.H265, 90, 360_000, 500_000, 12_000, 28, 3),))
    late = telemetries.write([Telemetry(60), busy, minute])
    return (
        bytes(Telemetry(60)),
        bytes(busy),
        bytes(minute),
        bytes(remark),
        late,
        late + b"\0\x81\x80\x80\x01\x07\x07\0",
    )


def commands() -> tuple[bytes, ...]:
    """Give commands."""
    arguments: tuple[documents.Values, ...] = (
        {},
        {"planes": 12, "vector": False, "still_bytes": 80},
        {"camera": "door"},
    )
    return tuple(documents.encode(Command("a1", 1_790_000_000_000, each)) for each in arguments)


def replies() -> tuple[bytes, ...]:
    """Give replies."""
    done = Reply(
        "a1", ok=True, result={"uptime_s": 3600, "software": "mirage 0.1.0", "load": 0.5, "none": None}
    )
    return documents.encode(done), documents.encode(Reply("a1", ok=False, detail="came 3 s late"))
