"""A device's folders, a server with releases for it, and a machine whose agent behaves as a test wants."""

import hashlib
import os
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edge.update import state, tree, wishes
from edge.update.running import id_of, manifest_of
from edge.update.settings import UpdateConfig
from edge.update.updater import Updater
from edge.update.wishes import Health, Kind, Order, Wanted
from wire.release import Entry, Index, Manifest, Pack, sign, sources
from wire.release.pack import end, header, record

PLATFORM, PYTHON = "arm64", "3.11"
Files = Mapping[str, bytes]
OLD: Files = {
    "bin/mirage": b"#!/bin/sh\necho old\n",
    "lib/python3.11/site-packages/edge/agent.py": b"VERSION = 'old'\n" * 400,
    "lib/python3.11/site-packages/edge/same.py": b"SAME = True\n" * 300,
    "lib/python3.11/site-packages/numpy/core.so": bytes(range(256)) * 200,
}
NEW: Files = {
    **OLD,
    "lib/python3.11/site-packages/edge/agent.py": b"VERSION = 'new'\n" * 400,
    "lib/python3.11/site-packages/edge/more.py": b"MORE = 1\n",
    "lib/python3.11/site-packages/edge/empty.py": b"",
    "lib/python3.11/site-packages/moved/same.py": OLD["lib/python3.11/site-packages/edge/same.py"],
}


@dataclass(frozen=True)
class Release:
    """A release as its maker has it."""

    manifest: Manifest
    signed: bytes
    files: Files

    @property
    def id(self) -> str:
        return self.manifest.id


class Maker:
    """Signs releases and lays them out for a web server."""

    def __init__(self, shelf: Path) -> None:
        self.shelf = shelf
        self.key = Ed25519PrivateKey.generate()

    def public_pem(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def agent(self, files: Files, version: str, platform: str = PLATFORM, python: str = PYTHON) -> Release:
        entries = [Entry("bin/python", link="/usr/bin/python3"), *_entries(files)]
        ordered = tuple(sorted(entries, key=lambda entry: entry.path))
        return self.signed(Manifest("agent", "mirage", version, platform, ordered, python=python), files)  # type: ignore[arg-type]

    def bundle(self, files: Files, version: str, name: str = "tiny") -> Release:
        sha256 = hashlib.sha256(files["bundle.toml"]).hexdigest()
        entries = tuple(_entries(files))
        return self.signed(Manifest("bundle", name, version, "any", entries, bundle_sha256=sha256), files)

    def signed(self, manifest: Manifest, files: Files) -> Release:
        return Release(manifest, sign(manifest, self.key), files)

    def publish(self, release: Release, base: Release | None = None) -> None:
        """Lay a release out, whole and, if there is a base, as what differs from it."""
        packs = {None: pack_of(release)} | ({} if base is None else {base.id: pack_of(release, base)})
        self.publish_packs(release, packs)

    def publish_packs(self, release: Release, packs: Mapping[str | None, bytes]) -> Index:
        manifest, folder = release.manifest, self.shelf / release.id
        (folder / "packs").mkdir(parents=True, exist_ok=True)
        named = [Pack(len(data), hashlib.sha256(data).hexdigest(), base) for base, data in packs.items()]
        for pack, data in zip(named, packs.values(), strict=True):
            (folder / "packs" / f"{pack.name}.pack").write_bytes(data)
        index = Index(
            release.id, manifest.kind, manifest.name, manifest.version, manifest.platform, manifest.size,
            tuple(named), manifest.python,
        )  # fmt: skip
        (folder / "index.json").write_bytes(sign(index, self.key))
        return index


def pack_of(release: Release, base: Release | None = None) -> bytes:
    """Write a pack."""
    old = None if base is None else base.manifest
    found = sources(release.manifest, old)
    files = {} if base is None else base.files
    out = header(release.id, None if base is None else base.id)
    out += record(release.signed, None if base is None else base.signed)
    for entry in release.manifest.files():
        if found[entry.path].kind == "pack":
            out += record(release.files[entry.path], files.get(entry.path))
    return out + end()


def _entries(files: Files) -> Iterator[Entry]:
    for path, data in sorted(files.items()):
        yield Entry(path, len(data), hashlib.sha256(data).hexdigest(), path.startswith("bin/"))


@dataclass
class Fault:
    """What goes wrong with answers to paths that end so: `times` times (-1: always)."""

    ends: str
    times: int = -1
    status: int | None = None
    cut_after: int | None = None  # bytes of the body, then the connection is closed
    whole: bool = False  # 200 where 206 was asked for
    lie: Callable[[bytes], bytes] | None = None
    hang_s: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)


class Shelf:
    """The web server. `asked` are (path, Range) of all requests, `sent` the bytes of bodies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults: list[Fault] = []
        self.asked: list[tuple[str, str | None]] = []
        self.sent = 0
        self.over = threading.Event()
        self.url = ""

    def fault(self, path: str) -> Fault | None:
        for fault in self.faults:
            if path.endswith(fault.ends) and fault.times != 0:
                fault.times -= 1
                return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing of handshakes that failed: whoever was refused says so."""


@contextmanager
def serving(folder: Path, tls: ssl.SSLContext | None = None) -> Iterator[Shelf]:
    """Serve a folder by HTTP, with ranges and tags."""
    shelf = Shelf(folder)
    server = _Server(("127.0.0.1", 0), _handler(shelf))
    scheme = "http"
    if tls is not None:
        server.socket, scheme = tls.wrap_socket(server.socket, server_side=True), "https"
    shelf.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="shelf")
    thread.start()
    try:
        yield shelf
    finally:
        shelf.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(shelf: Shelf) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fault = shelf.fault(self.path) or Fault("")
            shelf.asked.append((self.path, self.headers.get("Range")))
            file = shelf.folder / self.path.lstrip("/")
            if fault.hang_s:
                shelf.over.wait(fault.hang_s)
            if fault.status or not file.is_file():
                self.send_error(fault.status or 404)
                return
            data = (fault.lie or bytes)(file.read_bytes())
            tag = f'"{hashlib.sha256(data).hexdigest()[:8]}"'
            start = self._start(tag, fault)
            self.send_response(206 if start else 200)
            said = {"ETag": tag, "Content-Length": str(len(data) - start)}
            if start:
                said["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            for name, value in {**said, **fault.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            body = data[start:] if fault.cut_after is None else data[start:][: fault.cut_after]
            shelf.sent += len(body)
            self.wfile.write(body)
            self.close_connection = True

        def _start(self, tag: str, fault: Fault) -> int:
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            same = self.headers.get("If-Range", tag) == tag
            return int(asked[1]) if asked and same and not fault.whole else 0

        def log_message(self, *_: object) -> None:
            pass

    return Handler


class CutError(BaseException):
    """The power is gone."""


class Machine:
    """Time goes on only where somebody waits. `behaviour` of a release: acks, silent, crashes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.time_s = 1000.0
        self.boots = 1
        self.free = 1 << 40
        self.restarts = 0
        self.stopped = False
        self.behaviour: dict[str, str] = {}
        self.config: UpdateConfig | None = None
        self.on_wait: Callable[[], None] = lambda: None
        self._gave_up = False

    def now_s(self) -> float:
        return self.time_s

    def wait(self, seconds: float) -> bool:
        self.time_s += seconds
        if seconds:
            self.on_wait()
        return self.stopped

    def boot_id(self) -> str:
        return f"boot-{self.boots}"

    def started(self, pid: int) -> int | None:
        return {100 + self.boots: 7}.get(pid)

    def platform(self) -> str:
        return PLATFORM

    def python(self) -> str:
        return PYTHON

    def free_bytes(self, folder: Path) -> int:
        assert folder.is_dir()
        return self.free

    def restart_agent(self) -> None:
        self.restarts += 1
        self.start_agent()

    def has_given_up(self) -> bool:
        return self._gave_up

    def reboot(self) -> None:
        """Lose everything but the disk."""
        self.boots += 1
        self._gave_up = False

    def start_agent(self) -> None:
        """Be the agent that `current` leads to."""
        assert self.config is not None
        release = id_of((self.root / "current").resolve())
        place = (self.root / "bundles/current").resolve()
        bundle = manifest_of(place)
        behaviours = {self.behaviour.get(release or "", "acks")}
        behaviours.add(self.behaviour.get("" if bundle is None else bundle.id, "acks"))
        self._gave_up = "crashes" in behaviours
        work = state.read(self.config.folder).work
        if behaviours == {"acks"} and work is not None and work.trial:
            sha256 = "0" * 16 if bundle is None else (bundle.bundle_sha256 or "")[:16]
            own = None if bundle is None else bundle.id
            health = Health(work.trial, release, own, sha256, self.boot_id(), 100 + self.boots, 7)
            wishes.write(Path(self.config.wishes, wishes.HEALTHY), health)


class Station:
    """One device, with an old release and bundle on it."""

    def __init__(
        self, folder: Path, maker: Maker, url: str, rate: float | None = None, budget: int | None = None
    ) -> None:
        self.root = folder / "opt"
        self.etc = folder / "etc"
        self.wishes = folder / "var/update"
        self.etc.mkdir(parents=True)
        (self.root / "update").mkdir(parents=True)
        (self.root / "bundles").mkdir()
        (self.etc / "release.pub").write_bytes(maker.public_pem())
        self.config = UpdateConfig(
            url, key=str(self.etc / "release.pub"), ca=str(self.etc / "ca.pem"), root=str(self.root),
            wishes=str(self.wishes), identity=str(folder / "identity"), bytes_per_s=rate, byte_budget=budget,
        )  # fmt: skip
        self.machine = Machine(self.root)
        self.machine.config = self.config
        self._orders = 0

    def flash(self, release: Release) -> None:
        """Be a device that was flashed with this."""
        is_agent = release.manifest.kind == "agent"
        home = self.root if is_agent else self.root / "bundles"
        place = "slots/a" if is_agent else f"{release.manifest.name}-{release.id[:8]}"
        write_tree(home / place, release)
        for link in ("current", "committed"):
            (home / link).symlink_to(place)

    def order(self, release: str, kind: Kind = "agent") -> None:
        """Let the agent want something."""
        self._orders += 1
        path = self.wishes / wishes.WANTED
        wanted = wishes.read(path, Wanted) or Wanted()
        order = Order(release, f"{self._orders:016x}")
        changed = Wanted(order, wanted.bundle) if kind == "agent" else Wanted(wanted.agent, order)
        wishes.write(path, changed)

    def updater(self) -> Updater:
        return Updater(self.config, self.machine)

    def run(self) -> None:
        self.updater().run()

    def boot(self) -> None:
        """Come up again: what systemd does."""
        self.machine.reboot()
        self.updater().boot()
        self.machine.start_agent()

    def runs(self, kind: Kind = "agent") -> tuple[str | None, str | None]:
        """Say what runs and what is committed."""
        home = self.root if kind == "agent" else self.root / "bundles"
        return id_of((home / "current").resolve()), id_of((home / "committed").resolve())

    def state(self) -> state.State:
        return state.read(self.config.folder)

    def result(self, kind: Kind = "agent") -> tuple[str, str]:
        outcome = self.state().outcomes[kind]
        return outcome.result, outcome.why

    def check_whole(self, kind: Kind = "agent") -> None:
        """Check that both links lead to whole trees."""
        home = self.root if kind == "agent" else self.root / "bundles"
        for link in ("current", "committed"):
            place = (home / link).resolve()
            manifest = manifest_of(place)
            assert manifest is not None, link
            tree.check(place, manifest)


def write_tree(target: Path, release: Release) -> None:
    """Lay a release's tree out, as it is flashed."""
    for path, data in release.files.items():
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        file.chmod(0o755 if path.startswith("bin/") else 0o644)
    for entry in release.manifest.entries:
        if entry.link is not None:
            (target / entry.path).symlink_to(entry.link)
    (target / "release.json").write_bytes(release.signed)


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for something, generously."""
    end_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end_s, "waited in vain"
        os.sched_yield()
