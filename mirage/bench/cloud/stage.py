"""A whole system to measure, each part as it is in use, on this machine: broker, cloud, one device.

Device --sealed--> Mosquitto (else rumqttd) --> `mirage cloud run`, a process of its own --HTTP--> Viewer
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mirage.bench.cloud.device import Device
from mirage.bench.cloud.viewer import Viewer
from mirage.bench.ingest_load import any_broker
from mirage.demo.broker import free_port
from mirage.demo.child import Child, wait_until
from mirage.demo.client import CloudClient, SegmentView
from mirage.demo.setup import CAMERA_PATH, Setup
from mirage.errors import DemoError
from mirage.recordings import Opened

_START_S = 120.0
_STORED_S = 60.0
_CLOUD = """\
[broker]
host = "127.0.0.1"
port = {port}

[security]
key = "cloud.key"

[bundle]
paths = [{bundle}]

[serve]
port = {page}
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs. `broker` and `port` say which broker, and where."""

    broker: str
    port: int
    device: Device
    viewer: Viewer
    client: CloudClient
    cloud: Child

    def stored(self, count: int) -> list[SegmentView]:
        """Wait until so many segments are derived, and list all. Raises DemoError."""
        found = list[SegmentView]()

        def enough() -> bool:
            found[:] = self.client.segments()
            return len(found) >= count

        wait_until(enough, _STORED_S, f"{count} segments", self.cloud)
        return found

    def check(self) -> None:
        """Raise DemoError unless the cloud still runs and finds nothing wrong with itself."""
        if self.cloud.ended():
            raise DemoError(f"the cloud ended early (log: {self.cloud.log})")
        if troubles := self.client.troubles():
            raise DemoError(f"the cloud is in trouble: {dict(troubles)}")


@contextmanager
def stage(opened: Opened, *, on_ms: int = 0, settings: str = "") -> Iterator[Stage]:
    """Have everything up, with a device that was on for `on_ms`; `settings` are more of the cloud's, in TOML.

    Raises DemoError, also where the cloud is not well in the end.
    """
    with tempfile.TemporaryDirectory(prefix="mirage-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        setup = Setup("recording", opened.bundle.root, folder)
        setup.enrol()
        broker, port = stack.enter_context(any_broker(folder))
        page = free_port()  # now that the broker has its own
        bundle = json.dumps(str(opened.bundle.root.resolve()))
        config = folder / "cloud.toml"
        config.write_text(_CLOUD.format(port=port, bundle=bundle, page=page) + settings)
        cloud = Child("cloud", ["cloud", "run", "--config", str(config)], folder)
        stack.callback(cloud.stop)
        client = CloudClient(page, CAMERA_PATH)
        wait_until(client.is_ready, _START_S, "the cloud's start", cloud)
        device = stack.enter_context(Device(setup.write_edge(port), opened, on_ms))
        viewer = stack.enter_context(Viewer(page, CAMERA_PATH))
        running = Stage(broker, port, device, viewer, client, cloud)
        yield running
        running.check()
