"""Where a run takes place: broker, proxies, cloud and device, their files, and what is started again."""

import contextlib
import json
import sqlite3
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec

from mirage.bench.chaos.agent import write_config
from mirage.bench.chaos.control import Control
from mirage.bench.chaos.holdings import count_rows, reading
from mirage.bench.chaos.parties import BrokerParty, Party
from mirage.bench.chaos.proxy import FaultProxy
from mirage.bench.chaos.replay import Replayer
from mirage.bench.chaos.schedule import Side
from mirage.bench.chaos.sealing import CLOUD_KEY, make_keys
from mirage.bench.chaos.settings import Settings
from mirage.bundles import bundle_folder
from wire.bundle import Bundle

if TYPE_CHECKING:
    from typing_extensions import Self

    from mirage.bench.chaos.run import Request

SMALL_SPOOL_BYTES = 24 * 1024  # what comes in 10 s: an outage makes it shed
LARGE_SPOOL_BYTES = 4 * 1024 * 1024

_START_PATIENCE_S = 60.0
_STALL_S = 20.0  # without a packet more, while the device has not ended, so that some wait
_AGENT_PATIENCE_S = 240.0  # it waits for a minute, and then for two, before it sends again

_CLOUD = """\
[broker]
host = "127.0.0.1"
port = {port}
envelope = "{envelope}"
ack_interval_s = 0.5

[limits]
device_packets_per_s = 60
device_burst = 120

[security]
key = {key}

[store]
url = {url}
objects = {objects}

[bundle]
paths = [{bundle}]
"""


class Stage:
    """Everything up when it is entered, nothing left when it is left. For one thread."""

    def __init__(self, request: "Request", folder: Path) -> None:
        """Choose ports and write settings. Raises InputError where something is not installed."""
        self._request = request
        self._folder = folder.resolve()
        self._bundle = bundle_folder(None).resolve()
        self._stack = ExitStack()
        self._broker = BrokerParty(request.broker, self._folder / "broker")
        self._parties = {
            Side.BROKER: self._broker.party,
            Side.CLOUD: Party("cloud", self._folder),
            Side.DEVICE: Party("device", self._folder),
        }
        self.agent = None if request.clip is None else Party("agent", self._folder)
        self._back_s: dict[Side, float] = {}
        self._controls = {
            side: Control(self._folder / f"{side.value}.control") for side in (Side.DEVICE, Side.CLOUD)
        }
        self.proxies: Mapping[Side, FaultProxy] = {
            side: FaultProxy(self._broker.port, request.seed + number)
            for number, side in enumerate((Side.DEVICE, Side.CLOUD))
        }
        self.deaths = list[str]()
        self.broker_crashes = 0
        self.store = self._folder / "store.db"
        self.spool = self._folder / "spool" / "spool.db"

    def __enter__(self) -> "Self":
        with ExitStack() as stack:
            for party in self.parties:
                stack.callback(party.kill)
            self._broker.start()
            for proxy in self.proxies.values():
                proxy.start()
                stack.callback(proxy.stop)
            self._settings = self._write_settings()
            for side in (Side.CLOUD, Side.DEVICE):
                self._start(side)
            old_births = self._request.envelope == "sealed"
            self._replayer = Replayer(self._broker.port, self._request.seed, old_births=old_births)
            stack.callback(self._replayer.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def parties(self) -> tuple[Party, ...]:
        return (*self._parties.values(), *([] if self.agent is None else [self.agent]))

    def control(self, side: Side) -> Control:
        """Give the numbers that are shared with a process."""
        return self._controls[side]

    def journals(self) -> list[Path]:
        """List the device's logs, oldest first."""
        return sorted(self._folder.glob("journal-*.jsonl"))

    def await_delivery(self) -> None:
        """Wait until a packet is stored, or somebody has died: starting takes no time from the faults."""
        deadline_s = time.monotonic() + _START_PATIENCE_S
        while time.monotonic() < deadline_s and all(party.exit_code is None for party in self.parties):
            if self._stored():
                return
            time.sleep(0.05)

    def kill(self, side: Side, back_s: float) -> bool:
        """Kill a process, and start it again when it is time; False if it is down already."""
        if side in self._back_s:
            return False
        if not self._look_for_death(side):
            self._parties[side].kill()
        if side is Side.DEVICE and self.agent is not None:
            self.agent.kill()
        self._back_s[side] = back_s
        return True

    def replay(self) -> bool:
        """Repeat what was said at the broker before."""
        return self._replayer.replay()

    def look_after(self, now_s: float) -> None:
        """Start what is due, and what has died by itself, which is noted."""
        for side in (Side.BROKER, Side.CLOUD, Side.DEVICE):
            if side not in self._back_s:
                if self._look_for_death(side):
                    self._start(side)
            elif now_s >= self._back_s[side]:
                del self._back_s[side]
                self._start(side)

    def drain(self, patience_s: float) -> bool:
        """With everything up, let the device deliver what it has and end; False if it does not."""
        self._back_s = dict.fromkeys(self._back_s, 0.0)
        self.look_after(0.0)
        device = self._parties[Side.DEVICE]
        time.sleep(1.0)  # to set its signal handler, if it has just been started
        device.terminate()
        deadline_s = time.monotonic() + patience_s + 30
        stored, since_s = self._stored(), time.monotonic()
        while not (ended := device.await_end(0.2)) and time.monotonic() < deadline_s:
            before, stored = stored, self._stored()
            if stored is None or stored != before:
                since_s = time.monotonic()
            elif self._request.broker == "iotcore" and time.monotonic() > since_s + _STALL_S:
                # rumqttd may serve nobody any more and say nothing of it; Mosquitto gets no second chance.
                self._parties[Side.BROKER].kill()
                self.broker_crashes += 1
                self._start(Side.BROKER)
                since_s = time.monotonic()
            for side in (Side.BROKER, Side.CLOUD):
                if self._look_for_death(side):
                    self._start(side)
        if self.agent is not None:
            if not self.agent.await_end(_AGENT_PATIENCE_S):
                self.deaths.append(f"agent did not end: {self.agent.last_words()}")
            elif self.agent.exit_code != 0:
                self.deaths.append(f"agent ended with {self.agent.exit_code}: {self.agent.last_words()}")
        if ended and device.exit_code != 0:
            self.deaths.append(f"device ended with {device.exit_code}: {device.last_words()}")
        self._parties[Side.CLOUD].stop()
        return ended

    def _stored(self) -> int | None:
        """Count the packets in the store; None where it cannot be read at the moment."""
        with contextlib.suppress(sqlite3.OperationalError), reading(self.store) as database:
            return count_rows(database, "packets")
        return None

    def _look_for_death(self, side: Side) -> bool:
        party = self._parties[side]
        if side is Side.BROKER and party.is_running and self._broker.has_lost_its_head():
            party.kill()
            self.broker_crashes += 1
            return True
        if party.exit_code is None:
            return False
        if side is Side.BROKER:
            self.broker_crashes += 1
        else:
            self.deaths.append(f"{party.name} ended with {party.exit_code}: {party.last_words()}")
        return True

    def _start(self, side: Side) -> None:
        if side is Side.BROKER:
            self._broker.start()
            return
        if side is Side.DEVICE and self.agent is not None and self._request.clip is not None:
            self._start_agent(self.agent, self._request.clip)
        module = [sys.executable, "-m", "mirage.bench.chaos"]
        if side is Side.CLOUD:
            module[-1] += ".cloud_process"
            control, config = self._folder / "cloud.control", self._folder / "cloud.toml"
            arguments = [
                str(control),
                self._request.mistake.value,
                "cloud",
                "ingest",
                "--config",
                str(config),
                "-v",
            ]
        else:
            module[-1] += ".device"
            number = self._parties[side].starts
            settings = self._folder / f"device-{number:04}.json"
            settings.write_bytes(msgspec.json.encode(msgspec.structs.replace(self._settings, number=number)))
            arguments = [str(settings)]
        self._parties[side].start([*module, *arguments])

    def _start_agent(self, agent: Party, clip: Path) -> None:
        port = self.proxies[Side.DEVICE].port
        config = write_config(self._folder, port, self._request.envelope, self._bundle, clip)
        options = ["--config", str(config), "--drain-timeout", f"{self._request.drain_s + 600}", "-v"]
        agent.start([sys.executable, "-m", "mirage", "edge", "run", *options])

    def _write_settings(self) -> Settings:
        if self._request.envelope == "sealed":
            make_keys(self._folder, self.store)
        text = _CLOUD.format(
            key=json.dumps(CLOUD_KEY),
            port=self.proxies[Side.CLOUD].port,
            envelope=self._request.envelope,
            url=json.dumps(f"sqlite:///{self.store}"),
            objects=json.dumps(str(self._folder / "objects")),
            bundle=json.dumps(str(self._bundle)),
        )
        (self._folder / "cloud.toml").write_text(text)
        bundle = Bundle.load(self._bundle, "edge")
        return Settings(
            port=self.proxies[Side.DEVICE].port,
            folder=str(self._folder),
            number=0,
            seed=self._request.seed,
            store=str(self.store),
            bundle=bundle.manifest.name,
            bundle_sha256=bundle.short_sha256,
            segments_per_s=self._request.segments_per_s,
            spool_bytes=LARGE_SPOOL_BYTES if self._request.seed % 3 == 2 else SMALL_SPOOL_BYTES,
            drain_timeout_s=self._request.drain_s,
            envelope=self._request.envelope,
            mistake=self._request.mistake,
        )
