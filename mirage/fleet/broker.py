"""The broker of a simulation: Mosquitto with mutual TLS and an exact access list, or the embedded one.

FOLDER/  ca.pem  server.pem,.key  cloud.pem,-tls.key  devices/NAME.pem,.key  acl  mosquitto.conf
"""

import os
import shutil
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from cloud import acl
from cloud.authority import (
    Validity,
    client_certificate,
    device_certificate,
    new_authority,
    server_certificate,
)
from cloud.enrolment import Enrolment
from mirage.bench.chaos.parties import Party, listens
from mirage.demo.broker import LoopbackBroker, free_port
from mirage.errors import DemoError, InputError
from mirage.secret_file import new_signing_key, write_key

CLOUD_USER = "main"
_UP_S = 30.0
_MOSQUITTO = """\
user root
listener {port} 127.0.0.1
cafile {folder}/ca.pem
certfile {folder}/server.pem
keyfile {folder}/server.key
require_certificate true
use_identity_as_username true
use_username_as_clientid true
allow_anonymous false
acl_file {folder}/acl
max_packet_size 69632
max_topic_alias 72
max_inflight_messages 256
max_queued_messages 20000
set_tcp_nodelay true
"""
_IOTCORE = "import iotcore, sys; iotcore.Broker(config_path=sys.argv[1]).run_forever()"
_SPARE = 16  # connections beside those of the devices


class Broker:
    """On a port of its own; may be stopped and started again, and forgets everything meanwhile."""

    def __init__(self, folder: Path, devices: Sequence[Enrolment], kind: str = "auto") -> None:
        """Write configuration, certificates and access list. Raises InputError."""
        self._party = Party("broker", folder)
        program = _mosquitto(kind)
        self.has_tls = program is not None
        if program is None:
            self.port = LoopbackBroker(folder, len(devices) + _SPARE).port
            self._command = [sys.executable, "-c", _IOTCORE, str(folder / "broker.toml")]
            return
        self.port = free_port()
        _certify(folder, devices)
        (folder / "acl").write_text(acl.acl(devices, [acl.of_cloud(CLOUD_USER)]))
        config = folder / "mosquitto.conf"
        config.write_text(_MOSQUITTO.format(port=self.port, folder=folder))
        self._command = [program, "-c", str(config)]

    @property
    def name(self) -> str:
        return "Mosquitto, mutual TLS" if self.has_tls else "iotcore (rumqttd), without TLS"

    @property
    def pid(self) -> int | None:
        return self._party.pid

    def start(self) -> None:
        """Start, and return when it listens. Raises DemoError."""
        self._party.start(self._command)
        end_s = time.monotonic() + _UP_S
        while not listens(self.port):
            if not self._party.is_running or time.monotonic() > end_s:
                raise DemoError(f"the broker does not come up (log: {self._party.log})")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it, without a goodbye to anybody."""
        self._party.kill()


def _mosquitto(kind: str) -> str | None:
    """Find Mosquitto if it is wanted. Raises InputError where it must be there, and is not."""
    if kind == "iotcore":
        return None
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin")
    if program is None and kind != "auto":
        raise InputError("--broker mosquitto: it is not installed: apt-get install mosquitto")
    return program


def _certify(folder: Path, devices: Sequence[Enrolment]) -> None:
    """Certify the broker, the cloud and each device, whose own keys are enrolled."""
    now = datetime.now(timezone.utc)
    valid = Validity(now - timedelta(hours=1), now + timedelta(days=1))
    authority = new_authority(new_signing_key(), "Simulated fleet", valid)
    (folder / "ca.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    server, cloud = new_signing_key(), new_signing_key()
    write_key(folder / "server.key", server)
    hosts = ("localhost", "127.0.0.1")
    (folder / "server.pem").write_bytes(server_certificate(authority, server.public_key(), hosts, valid))
    write_key(folder / "cloud-tls.key", cloud)
    user = f"cloud.{CLOUD_USER}"
    (folder / "cloud.pem").write_bytes(client_certificate(authority, cloud.public_key(), user, valid))
    for each in devices:
        path = folder / "devices" / f"{each.device.device}.pem"
        path.write_bytes(device_certificate(authority, each.public_key, each.device, valid))
