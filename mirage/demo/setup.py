"""The demo's keys and settings files, as a user would make them for a device and a cloud of their own."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from cloud import enrolment
from cloud.clock import wall_ms
from cloud.enrolment import Enrolment
from cloud.store import Store
from mirage.demo.constraints import Constraints
from mirage.secret_file import new_signing_key, write_cloud_keys, write_key, write_provenance_key
from wire.topics import DeviceTopics

TENANT, SITE, DEVICE, CAMERA = "demo", "here", "edge-1", "demo"
CAMERA_PATH = f"{TENANT}/{SITE}/{DEVICE}/{CAMERA}"

_EDGE = """\
[device]
tenant = "{tenant}"
site = "{site}"
id = "{device}"
key = {device_key}

[broker]
host = "127.0.0.1"
port = {broker_port}
cloud_key = {cloud_key}

[bundle]
path = {bundle}

[spool]
path = {spool}

[encode]
threads = {threads}

[[camera]]
name = "{camera}"
source = {source}
"""

_CLOUD = """\
[broker]
host = "127.0.0.1"
port = {broker_port}
ack_interval_s = 2.0

[security]
key = {cloud_key}

[store]
url = {url}
objects = {objects}

[bundle]
paths = [{bundle}]

[serve]
host = "127.0.0.1"
port = {page_port}

[render]
policy = "all"

[provenance]
key = {provenance_key}
"""


@dataclass(frozen=True, slots=True)
class Setup:
    """Where the demo's parts are to be found. `state` is a folder that they may fill."""

    source: str
    bundle: Path
    state: Path
    threads: int = 2
    constraints: Constraints = field(default_factory=Constraints)

    def enrol(self) -> None:
        """Make the keys of device and cloud, and write the device into the cloud's register."""
        write_cloud_keys(self.state)
        write_provenance_key(self.state / "provenance.key")
        key = new_signing_key()
        write_key(self.state / "device.key", key)
        device = Enrolment(DeviceTopics(TENANT, SITE, DEVICE), (CAMERA,), key.public_key(), wall_ms())
        store = Store(self._store)
        try:
            with store.write() as session:
                enrolment.enrol(session, device)
        finally:
            store.close()

    def write_edge(self, broker_port: int) -> Path:
        """Write the agent's settings; it talks to `broker_port`."""
        text = _EDGE.format(
            tenant=TENANT,
            site=SITE,
            device=DEVICE,
            broker_port=broker_port,
            device_key=self._beside("device.key"),
            cloud_key=self._beside("cloud.pub"),
            bundle=_quoted(self.bundle.resolve()),
            spool=self._beside("spool.db"),
            threads=self.threads,
            camera=CAMERA,
            source=_quoted(self.source),
        )
        return self._write("edge.toml", text + self.constraints.device)

    def write_cloud(self, broker_port: int, page_port: int) -> Path:
        """Write the cloud's settings; it talks to `broker_port` and serves `page_port`."""
        text = _CLOUD.format(
            broker_port=broker_port,
            cloud_key=self._beside("cloud.key"),
            url=_quoted(self._store),
            objects=self._beside("objects"),
            bundle=_quoted(self.bundle.resolve()),
            page_port=page_port,
            provenance_key=self._beside("provenance.key"),
        )
        return self._write("cloud.toml", text + self.constraints.cloud)

    @property
    def _store(self) -> str:
        return f"sqlite:///{self.state.resolve() / 'store.db'}"

    def _beside(self, name: str) -> str:
        return _quoted(self.state.resolve() / name)

    def _write(self, name: str, text: str) -> Path:
        path = self.state / name
        path.write_text(text)
        return path


def _quoted(value: object) -> str:
    """Quote as a TOML basic string, of which JSON's escapes are a part."""
    return json.dumps(str(value), ensure_ascii=False)
