"""Enrolment for real: a store, an authority, and the cloud's office on a port with TLS."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cloud.authority import server_certificate
from cloud.clock import wall_ms
from cloud.config import Config, load
from cloud.identity import claims
from cloud.identity.office import Office, application, settings_of
from cloud.store import Store
from mirage.demo.broker import free_port
from tests.pki import VALID, Pki, new_key, pem_of
from wire.topics import DeviceTopics

HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Counter:
    """Where devices get certificates, and claims for them."""

    folder: Path
    pki: Pki
    store: Store
    config: Config
    settings: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{settings_of(self.config).port}/api/v1/enrol"

    def claim(self, device: DeviceTopics, *cameras: str) -> str:
        now_ms = wall_ms()
        with self.store.write() as session:
            made = claims.create(session, device, cameras or ("door",), now_ms, now_ms + HOUR_MS)
        return made.secret

    def seed(self, folder: Path, device: DeviceTopics, *, claim: str | None = None) -> Path:
        """Write what a seed brings onto a device; gives enrolment.toml."""
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{device.tenant}/{device.site}/{device.device}"
        (folder / "ca.pem").write_bytes(self.pki.ca.read_bytes())
        (folder / "claim").touch(mode=0o600)
        (folder / "claim").write_text(f"{claim or self.claim(device)}\n")
        file = folder / "enrolment.toml"
        file.write_text(
            f'[enrolment]\nurl = "{self.url}"\nname = "{name}"\nca = "ca.pem"\nclaim = "claim"\n'
            'identity = "identity"\n'
        )
        return file

    @contextmanager
    def open(self) -> Iterator[None]:
        """Serve devices."""
        office = Office(settings_of(self.config), application(self.config, self.store))
        stop = threading.Event()
        thread = threading.Thread(target=office.run, args=(stop,), name="office")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(60)
            office.close()
        assert not thread.is_alive()


@contextmanager
def counter(folder: Path) -> Iterator[Counter]:
    """Make everything, in a folder; it serves devices while it is `open`."""
    pki = Pki(folder)
    (folder / "ca.key").touch(mode=0o600)
    (folder / "ca.key").write_bytes(pem_of(pki.authority.key))
    key = new_key()
    (folder / "office.key").write_bytes(pem_of(key))
    certificate = server_certificate(pki.authority, key.public_key(), ["localhost", "127.0.0.1"], VALID)
    (folder / "office.pem").write_bytes(certificate)
    public = X25519PrivateKey.generate().public_key()
    (folder / "cloud.pub").write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    settings = folder / "cloud.toml"
    settings.write_text(
        '[broker]\nhost = "127.0.0.1"\n[bundle]\npaths = ["tiny"]\n'
        '[enrolment]\nca = "ca.pem"\nkey = "ca.key"\nbroker_host = "localhost"\n'
        f'certificate = "office.pem"\ncertificate_key = "office.key"\nport = {free_port()}\n'
    )
    config = load(settings)
    store = Store(config.store.url)
    try:
        yield Counter(folder, pki, store, config, settings)
    finally:
        store.close()
