"""The demo's settings files, as a user would write them for a device and a cloud of their own."""

import json
from dataclasses import dataclass
from pathlib import Path

CAMERA = "demo"
CAMERA_PATH = f"demo/here/edge-1/{CAMERA}"

_EDGE = """\
[device]
tenant = "demo"
site = "here"
id = "edge-1"

[broker]
host = "127.0.0.1"
port = {broker_port}
envelope = "none"

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
envelope = "none"
ack_interval_s = 2.0

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
"""


@dataclass(frozen=True, slots=True)
class Setup:
    """Where the demo's parts are to be found. `state` is a folder that they may fill."""

    source: str
    bundle: Path
    state: Path
    threads: int = 2

    def write_edge(self, broker_port: int) -> Path:
        """Write the agent's settings; it talks to `broker_port`."""
        text = _EDGE.format(
            broker_port=broker_port,
            bundle=_quoted(self.bundle.resolve()),
            spool=_quoted(self.state.resolve() / "spool.db"),
            threads=self.threads,
            camera=CAMERA,
            source=_quoted(self.source),
        )
        return self._write("edge.toml", text)

    def write_cloud(self, broker_port: int, page_port: int) -> Path:
        """Write the cloud's settings; it talks to `broker_port` and serves `page_port`."""
        text = _CLOUD.format(
            broker_port=broker_port,
            url=_quoted(f"sqlite:///{self.state.resolve() / 'store.db'}"),
            objects=_quoted(self.state.resolve() / "objects"),
            bundle=_quoted(self.bundle.resolve()),
            page_port=page_port,
        )
        return self._write("cloud.toml", text)

    def _write(self, name: str, text: str) -> Path:
        path = self.state / name
        path.write_text(text)
        return path


def _quoted(value: object) -> str:
    """Quote as a TOML basic string, of which JSON's escapes are a part."""
    return json.dumps(str(value), ensure_ascii=False)
