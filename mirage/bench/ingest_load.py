"""The load of `mirage bench ingest`: enrolled devices, their sealed packets, and a broker full of them."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cloud.enrolment import Enrolment, enrol
from cloud.store import Store
from mirage.demo.broker import free_port, loopback_broker
from mirage.errors import DemoError
from wire import documents, keys, motion, signature, varint
from wire.bundle import Bundle
from wire.documents import Birth, CameraInfo
from wire.envelope import SealedEnvelope
from wire.motion import CameraMotion, Motion
from wire.packet import Layer, Packet
from wire.topics import DeviceTopics

CAPTIONS = Path(__file__).parent / "captions.txt"
_MOSQUITTO = """\
user root
listener {port} 127.0.0.1
allow_anonymous true
max_inflight_messages 0
max_queued_messages 0
"""
_UP_S = 20.0
_BOOT_MS = 1_790_000_000_000
_TOKENS = 96  # bytes of appearance, which ingest does not look into


@dataclass(frozen=True, slots=True)
class Sender:
    """One device with one camera and one connection key."""

    topics: DeviceTopics
    key: ec.EllipticCurvePrivateKey
    secret: bytes
    boot_hex: str

    @classmethod
    def make(cls, number: int) -> "Sender":
        """Draw keys."""
        topics = DeviceTopics("bench", "site-a", f"jetson-{number:04}")
        return cls(topics, ec.generate_private_key(ec.SECP256R1()), os.urandom(32), f"{number:016x}")

    def birth(self, bundle: Bundle, cloud: X25519PrivateKey) -> bytes:
        """Sign a birth that brings the key."""
        context = keys.context_of(self.topics.birth, self.boot_hex, 1)
        birth = Birth(
            device=self.topics.device,
            boot_id=self.boot_hex,
            boot_wall_ms=_BOOT_MS,
            wall_error_ms=50,
            software="bench",
            bundle=bundle.manifest.name,
            bundle_sha256=bundle.short_sha256,
            cameras=(CameraInfo("cam0", 1920, 1080, 30.0),),
            key_id=1,
            wrapped_key=keys.wrap(self.secret, cloud.public_key(), context),
        )
        return signature.sign(documents.encode(birth), self.key, self.topics.birth)


class Load:
    """Devices, and what they send; `per_device` packets each, ascending, devices in turn."""

    def __init__(self, bundle: Bundle, devices: int, per_device: int) -> None:
        self.bundle = bundle
        self.cloud_key = X25519PrivateKey.generate()
        self.senders = [Sender.make(number) for number in range(devices)]
        self.packets = devices * per_device
        self.publishes, self.frame_bytes = self._publishes(per_device)

    def enrol(self, store: Store) -> None:
        """Write all devices into the register."""
        with store.write() as session:
            for sender in self.senders:
                enrol(session, Enrolment(sender.topics, ("cam0",), sender.key.public_key(), 1))

    def births(self) -> list[bytes]:
        """Give the births as MQTT PUBLISH packets, retained."""
        births = [(sender.topics.birth, sender.birth(self.bundle, self.cloud_key)) for sender in self.senders]
        return [_publish(topic, birth, mid, 0x33) for mid, (topic, birth) in enumerate(births, 1)]

    def write_key(self, path: Path) -> None:
        """Write the cloud's private key."""
        path.touch(mode=0o600)
        path.write_bytes(self.cloud_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def _publishes(self, per_device: int) -> tuple[list[bytes], float]:
        text = self.bundle.text_model()
        captions = [text.encode(caption) for caption in CAPTIONS.read_text("utf-8").splitlines()]
        envelopes = [SealedEnvelope(keys.up(sender.secret), 1) for sender in self.senders]
        moved = motion.encode(Motion(CameraMotion(0.11, -0.02, 0.1)))
        made, size = list[bytes](), 0
        for sequence in range(per_device):
            for sender, envelope in zip(self.senders, envelopes, strict=True):
                layers: dict[int, bytes] = {
                    Layer.CAPTION: captions[(sequence + len(made)) % len(captions)],
                    Layer.MOTION: moved,
                    Layer.APPEARANCE_TOKENS: os.urandom(_TOKENS),
                }
                topic = sender.topics.sem("cam0")
                packet = Packet(sequence, sequence * 2000, 2000, layers, refresh=True)
                frame = envelope.wrap(bytes(packet), topic)
                size += len(frame)
                made.append(_publish(topic, frame, len(made) % 65_535 + 1, 0x32))
        return made, size / max(1, len(made))


@dataclass(frozen=True, slots=True)
class Mosquitto:
    """A broker that runs, without limits, on loopback."""

    port: int
    pid: int


@contextmanager
def any_broker(folder: Path) -> Iterator[tuple[str, int]]:
    """Run Mosquitto where it is installed, else the demo's broker; give its name and port."""
    program = find_mosquitto()
    if program is None:
        with loopback_broker(folder) as port:
            yield "iotcore (rumqttd), at most 100 unacknowledged", port
        return
    with mosquitto(program, folder) as broker:
        yield "Mosquitto", broker.port


def find_mosquitto() -> str | None:
    """Say where Mosquitto is, if it is installed: Debian keeps it out of a user's path."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin")


@contextmanager
def mosquitto(program: str, folder: Path) -> Iterator[Mosquitto]:
    """Run Mosquitto while the body runs. Raises DemoError."""
    port = free_port()
    (folder / "mosquitto.conf").write_text(_MOSQUITTO.format(port=port))
    with (folder / "mosquitto.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 -- the broker that is installed
            [program, "-c", str(folder / "mosquitto.conf")], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        _until_it_listens(port)
        yield Mosquitto(port, process.pid)
    finally:
        process.terminate()
        process.wait()


def publish_all(port: int, publishes: Sequence[bytes]) -> None:
    """Write MQTT packets to a broker as fast as it takes them, and wait for the last acknowledgement."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        hello = b"\0\4MQTT\5\2\0\x3c\0\0\x05bench"
        connection.sendall(b"\x10" + bytes((len(hello),)) + hello)
        connection.recv(256)
        wanted, got = len(publishes), threading.Event()

        def count() -> None:
            data, left = b"", wanted
            while left > 0:
                data += connection.recv(65_536)
                while len(data) >= 2 and len(data) >= 2 + data[1]:
                    left -= data[0] == 0x40  # PUBACK
                    data = data[2 + data[1] :]
            got.set()

        threading.Thread(target=count, name="pubacks", daemon=True).start()
        for first in range(0, wanted, 200):
            connection.sendall(b"".join(publishes[first : first + 200]))
        if not got.wait(60):
            raise DemoError("the broker does not acknowledge what is published")


def cloud_settings(load: Load, port: int, client: str, folder: Path, url: str) -> Path:
    """Write the settings of one ingest into `folder`, where the key is that all share."""
    path = folder / f"{client}.toml"
    path.write_text(
        f'[broker]\nhost = "127.0.0.1"\nport = {port}\nclient = "{client}"\n'
        f"[store]\nurl = {json.dumps(url)}\n"
        f'[security]\nkey = "cloud.key"\n'
        f"[limits]\ndevice_packets_per_s = 1e6\ndevice_burst = 1000000\ndevice_bytes_per_s = 1e9\n"
        f"device_burst_bytes = 1000000000\n"
        f"[bundle]\npaths = [{json.dumps(str(load.bundle.root.resolve()))}]\n"
    )
    return path


def _publish(topic: str, payload: bytes, mid: int, head: int) -> bytes:
    name = topic.encode()
    rest = len(name).to_bytes(2, "big") + name + mid.to_bytes(2, "big") + b"\0" + payload
    return bytes((head,)) + varint.encode(len(rest)) + rest


def _until_it_listens(port: int) -> None:
    end_s = time.monotonic() + _UP_S
    with socket.socket() as probe:
        while probe.connect_ex(("127.0.0.1", port)):
            if time.monotonic() > end_s:
                raise DemoError(f"broker on 127.0.0.1:{port} does not come up")
            time.sleep(0.05)
