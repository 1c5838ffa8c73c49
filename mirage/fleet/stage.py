"""Where a simulation takes place: broker, cloud, devices and their files, all on this machine.

    devices x N processes --> broker --> mirage cloud ingest --> store <-- mirage cloud serve

Everything is started here and ends with this; what they log and keep is in one folder.
"""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec

from cloud.config_usage import UsageSettings
from cloud.enrolment import Enrolment, enrol
from cloud.store import Store
from cloud.usage.budgets import Budgets
from mirage.bench.chaos.parties import Party
from mirage.demo.broker import free_port
from mirage.errors import DemoError
from mirage.fleet.broker import Broker
from mirage.fleet.settings import BEGIN, CAMERA, PROCESS_DEVICES, TENANT, Settings, Spec, Told
from mirage.secret_file import new_signing_key, write_cloud_keys, write_key

if TYPE_CHECKING:
    from typing_extensions import Self

_CLOUD = """\
[broker]
host = "127.0.0.1"
port = {port}
client = "simulated"
{tls}
[security]
key = "cloud.key"

[store]
url = "sqlite:///store.db"
objects = "objects"

[bundle]
paths = [{bundle}]

[serve]
host = "127.0.0.1"
port = {page_port}

[usage]
price_per_mb = 0.1
"""
_TLS = 'ca = "ca.pem"\ncertificate = "cloud.pem"\nkey = "cloud-tls.key"\n'
_END_S = 60.0


class Stage:
    """Everything up when it is entered, nothing left when it is left. For one thread."""

    def __init__(self, folder: Path, bundle: Path, specs: Sequence[Spec], broker: str = "auto") -> None:
        """Make keys, certificates and settings, and enrol the devices.

        Raises StoreError, OutputError, and InputError for a broker that is not installed.
        """
        self.folder = folder.resolve()
        self._specs = specs
        (self.folder / "devices").mkdir()
        write_cloud_keys(self.folder)
        enrolments = [self._with_key(spec) for spec in specs]
        self.store = Store(f"sqlite:///{self.folder / 'store.db'}")
        with self.store.write() as session:
            for each in enrolments:
                enrol(session, each)
        self._set_budgets()
        self.broker = Broker(self.folder, enrolments, broker)
        self.page_port = free_port()
        self.config = self.folder / "cloud.toml"
        self.config.write_text(self._cloud_settings(bundle))
        self._cloud = {name: Party(name, self.folder) for name in ("ingest", "serve")}
        self._crowds = list[Party]()
        self._stack = ExitStack()

    def __enter__(self) -> "Self":
        with ExitStack() as stack:
            stack.callback(self.store.close)
            self.broker.start()
            stack.callback(self.broker.stop)
            for name, party in self._cloud.items():
                party.start(_mirage("cloud", name, "--config", str(self.config)))
                stack.callback(party.stop)
            stack.callback(self._end_devices)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.page_port}"

    @property
    def pids(self) -> Mapping[str, int]:
        """Name the processes of the cloud, and the broker's."""
        parties = {name: party.pid for name, party in self._cloud.items()} | {"broker": self.broker.pid}
        return {name: pid for name, pid in parties.items() if pid is not None}

    def start_devices(self, settings: Settings) -> None:
        """Start processes with a share of the devices each."""
        for number, first in enumerate(range(0, len(self._specs), PROCESS_DEVICES)):
            specs = tuple(self._specs[first : first + PROCESS_DEVICES])
            path = self.folder / f"devices-{number}.json"
            path.write_bytes(msgspec.json.encode(msgspec.structs.replace(settings, specs=specs)))
            crowd = Party(f"devices-{number}", self.folder)
            told = self.folder / f"told-{number}.json"
            crowd.start([sys.executable, "-m", "mirage.fleet.process", str(path), str(told)])
            self._crowds.append(crowd)

    def begin(self) -> float:
        """Let the devices film; gives from when on, in Unix time."""
        begin_s = time.time()
        partial = self.folder / f"{BEGIN}.partial"
        partial.write_text(repr(begin_s))
        partial.replace(self.folder / BEGIN)
        return begin_s

    def check(self) -> None:
        """Raise DemoError if something has ended that should not have."""
        for party in (*self._cloud.values(), *self._crowds):
            if party.exit_code not in (None, 0):
                raise DemoError(f"{party.name} ended with {party.exit_code}: {party.last_words()}")

    def told(self, patience_s: float) -> list[Told]:
        """Wait until the devices have delivered and gone, and give what they say. Raises DemoError."""
        end_s = time.monotonic() + patience_s + _END_S
        for crowd in self._crowds:
            while not crowd.await_end(0.2):
                self.check()
                if time.monotonic() > end_s:
                    raise DemoError(f"{crowd.name} does not end (log: {crowd.log})")
        self.check()
        paths = [self.folder / f"told-{number}.json" for number in range(len(self._crowds))]
        return [each for path in paths for each in msgspec.json.decode(path.read_bytes(), type=list[Told])]

    def _set_budgets(self) -> None:
        """Let the cloud know of the limits that devices have, as an operator would."""
        budgets = Budgets(self.store, UsageSettings())
        for spec in self._specs:
            if spec.bytes_per_month is not None:
                budgets.set(f"{TENANT}/{spec.site}/{spec.name}", spec.bytes_per_month)

    def _end_devices(self) -> None:
        for crowd in self._crowds:
            crowd.kill()

    def _with_key(self, spec: Spec) -> Enrolment:
        key = new_signing_key()
        write_key(self.folder / "devices" / f"{spec.name}.key", key)
        return Enrolment(spec.topics, (CAMERA,), key.public_key(), time.time_ns() // 1_000_000)

    def _cloud_settings(self, bundle: Path) -> str:
        return _CLOUD.format(
            port=self.broker.port,
            tls=_TLS if self.broker.has_tls else "",
            bundle=json.dumps(str(bundle.resolve())),
            page_port=self.page_port,
        )


def _mirage(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "mirage", *arguments]
