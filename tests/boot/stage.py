"""The other side of a device: an authority, Mosquitto with mutual TLS and access list, a cloud.

Every step is the command that an operator would type. A camera is there too: MPEG-TS over HTTP, without end.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from mirage.demo.broker import free_port
from mirage.demo.source import bunny
from tests.boot.machine import HOST
from tests.mosquitto import Mosquitto, shipped

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 900.0
_CLOUD = """\
[broker]
host = "127.0.0.1"
port = {broker}
ca = "pki/ca.pem"
certificate = "main.pem"
key = "main.key"
client = "mirage-boot"
[security]
key = "cloud.key"
[store]
url = "sqlite:///cloud.db"
[bundle]
paths = ["{bundle}"]
[serve]
port = {serve}
[enrolment]
ca = "pki/ca.pem"
key = "pki/ca.key"
broker_host = "{host}"
broker_port = {broker}
cloud_key = "cloud.pub"
port = {enrol}
certificate = "enrolment.pem"
certificate_key = "enrolment.key"
revoked = "pki/crl.pem"
releases = "releases"
"""


def mirage(*arguments: object, timeout_s: float = 3600, within: Sequence[str] = ()) -> str:
    """Run a command, and give what it prints; `within` is a command that runs it."""
    command = [*within, sys.executable, "-m", "mirage", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=timeout_s)
    assert done.returncode == 0, f"{' '.join(command[2:])}: {done.stdout}{done.stderr}"
    return done.stdout


def wait_until(holds: Callable[[], object], what: str, limit_s: float = WAIT_S) -> float:
    """Wait, and say how long it took."""
    began_s = time.monotonic()
    while not holds():
        assert time.monotonic() < began_s + limit_s, f"not seen in {limit_s:.0f} s: {what}"
        time.sleep(0.25)
    return time.monotonic() - began_s


class Stage:
    """Everything in one folder; `start` and `stop` are of the processes."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        self.folder = folder
        self.config = folder / "cloud.toml"
        self.enrol_port, self.serve_port = free_port(), free_port()
        (folder / "releases").mkdir(parents=True, exist_ok=True)
        mirage("cloud", "ca", "new", "-o", folder / "pki")
        mirage(
            "cloud", "ca", "server", "--ca", folder / "pki", "-o", folder / "pki/server", HOST, "127.0.0.1"
        )
        mirage("cloud", "ca", "server", "--ca", folder / "pki", "-o", folder / "enrolment", HOST, "127.0.0.1")
        mirage("cloud", "ca", "client", "--ca", folder / "pki", "-o", folder / "main", "cloud.main")
        mirage("cloud", "keys", "-o", folder)
        settings = shipped(folder / "pki").replace("{", "{{").replace("}", "}}")
        for name in ("port", "folder"):
            settings = settings.replace(f"{{{{{name}}}}}", f"{{{name}}}")
        self.broker = Mosquitto(folder, f"{settings}pid_file {{folder}}/mosquitto.pid\n")
        ports = {"broker": self.broker.port, "enrol": self.enrol_port, "serve": self.serve_port}
        self.config.write_text(_CLOUD.format(host=HOST, bundle=bundle, **ports), "utf-8")
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start broker, cloud, and what keeps the broker's lists."""
        mirage("cloud", "acl", "--config", self.config, "-o", self.folder / "pki/acl")
        self.broker.start()
        self._start("cloud", "run", "--config", self.config, "-v")
        lists = ["--acl", self.folder / "pki/acl", "--crl", self.folder / "pki/crl.pem", "--every", "1"]
        pid = ["--reload-pid", self.folder / "mosquitto.pid"]
        self._start("cloud", "broker-sync", "--config", self.config, *lists, *pid)

    def stop(self) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            process.wait(60)
        self.broker.kill()

    def packets(self, device: str) -> int:
        """Count what the cloud has stored of a device."""
        of_device = "JOIN boots ON boots.id = boot_id JOIN devices ON devices.id = device_id WHERE name = ?"
        return int(str(self._ask(f"SELECT count(*) FROM packets {of_device}", device)))  # noqa: S608 -- constant

    def enrolled(self) -> int:
        """Count the devices that the register has."""
        return int(str(self._ask("SELECT count(*) FROM enrolments")))

    def software(self) -> str:
        """Say what the device says that it is, in its last birth."""
        birth = self._ask(
            "SELECT birth FROM boots WHERE birth IS NOT NULL ORDER BY born_ms DESC, id DESC LIMIT 1"
        )
        return str(json.loads(birth)["software"]) if isinstance(birth, bytes) else ""

    def updated(self) -> str:
        """Say how the last update is, as the cloud judges: committed, failed, or on the way."""
        state = self._ask("SELECT state FROM rollout_devices ORDER BY rollout_id DESC LIMIT 1")
        return "" if state is None else str(state)

    def told(self) -> str:
        """Say what the device last told of it."""
        return str(self._ask("SELECT told FROM rollout_devices ORDER BY rollout_id DESC LIMIT 1"))

    def _ask(self, query: str, *values: str) -> object:
        with closing(
            sqlite3.connect(f"file:{self.folder / 'cloud.db'}?mode=ro", uri=True, timeout=60)
        ) as store:
            found = store.execute(query, values).fetchone()
        return None if found is None else found[0]

    def _start(self, *arguments: object) -> None:
        command = [sys.executable, "-m", "mirage", *map(str, arguments)]
        with (self.folder / f"{arguments[1]}.log").open("ab") as log:
            self._processes.append(
                subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            )


@contextmanager
def camera(folder: Path) -> Iterator[str]:
    """Show Big Buck Bunny for ever, as a network camera does; gives its address as a machine sees it."""
    clip = folder / "camera.ts"  # small: the machine that looks at it may be emulated
    scaled = ["-an", "-vf", "scale=480:270,fps=25", "-c:v", "mpeg2video", "-q:v", "4", "-f", "mpegts"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", str(bunny()), *scaled, str(clip)], check=True)
    play = ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(clip), "-c", "copy"]
    play += ["-f", "mpegts", "-"]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            with subprocess.Popen(play, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as source:
                assert source.stdout is not None
                try:
                    while part := os.read(source.stdout.fileno(), 65536):
                        self.wfile.write(part)
                except OSError:
                    pass  # whoever looked has gone
                finally:
                    source.kill()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.1,), name="camera")
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}/yard.ts"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
