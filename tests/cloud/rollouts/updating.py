"""A fleet that is told to update, fed by hand: devices that obey, roll back, say nothing, or are away."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec
from sqlalchemy.orm import Session

from cloud import commands
from cloud.rollouts import orders, report
from cloud.rollouts.duty import Rollouts
from cloud.rollouts.judge import Goal, Pace
from cloud.rollouts.orders import Order, Ordered
from cloud.rollouts.report import RolloutReport
from cloud.schema import RolloutRow
from cloud.store import Store
from tests.cloud.desk import NOW_MS
from tests.cloud.sealed import SealedDesk, SealedDevice
from wire import documents, signature
from wire.bundle import Bundle
from wire.documents import Reply, State, Value

NEW, OLD = "aaaaaaaabbbbbbbb", "1111111122222222"
NEW_BUNDLE = Goal("bundle", "ccccccccdddddddd", "eeeeeeeeffffffff")
RELEASE = Goal("agent", NEW)
HEALTH_MS = 120_000
PACE = Pace(most_ms=120_000, margin_ms=60_000, idle_ms=120_000)
STEP_MS = 10_000
MOST_STEPS = 600


@dataclass
class Updating(SealedDevice):
    """A device whose updater does in a moment what it is told, and then as `ends` says.

    `ends`: commits, rolls back, fails, silent (it vanishes while it tries), hangs (nothing comes of it),
    stays (it tries for ever), says-nothing (an agent that does not tell what its update is at).
    """

    ends: str = "commits"
    release: str = OLD
    bundle_sha256: str = ""
    update: str = "none"
    heard: list[str] = field(default_factory=list)
    fetches: int = 1  # pings that it answers with how much is there
    is_here: bool = True

    @property
    def software(self) -> str:
        return f"mirage 0.1.0 {self.release[:8]}"

    def unsigned(self, boot_wall_ms: int = 0) -> bytes:
        del boot_wall_ms
        plain = documents.decode_birth(super().unsigned())
        sha256 = self.bundle_sha256 or plain.bundle_sha256
        return documents.encode(msgspec.structs.replace(plain, software=self.software, bundle_sha256=sha256))

    def birth(self, boot_wall_ms: int = 0) -> bytes:
        return signature.sign(self.unsigned(boot_wall_ms), self.key, self.topics.birth)

    def state(self, state: str) -> bytes:
        return documents.encode(State(state, self.boot_hex))  # type: ignore[arg-type]


@dataclass
class Grounds:
    """The fleet, its cloud and its clock. `step` lets both do what is due, and time pass."""

    desk: SealedDesk
    devices: dict[str, Updating]
    duty: Rollouts = field(init=False)
    now_ms: int = NOW_MS
    steps: int = 0
    wishes: dict[str, Goal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.duty = self.another()
        for device in self.devices.values():
            self.desk.enrol(device)
            if device.is_here:
                self.comes(device)

    def another(self) -> Rollouts:
        """Make what another process of the cloud has."""
        return Rollouts(self.desk.store, lambda: self.now_ms, PACE)

    def comes(self, device: Updating) -> None:
        device.is_here = True
        self.desk.deliver(device.topics.birth, device.birth(), self.now_ms)
        self.desk.deliver(device.topics.state, device.state("ready"), self.now_ms)

    def goes(self, device: Updating, state: str = "lost") -> None:
        device.is_here = False
        self.desk.deliver(device.topics.state, device.state(state), self.now_ms)

    def restarts(self, device: Updating) -> None:
        self.goes(device, "sleeping")
        device.reboot()
        self.comes(device)

    def order(
        self, goals: Mapping[str, tuple[Goal, ...]], waves: tuple[str, ...], halt_after: int = 1
    ) -> Order:
        """Order what each device shall run: `goals` by WAVE/DEVICE."""
        ordered = tuple(
            Ordered("north", name.partition("/")[2], "amd64", waves.index(name.partition("/")[0]), each)
            for name, each in goals.items()
        )
        return Order("acme", "cams", {"agent": NEW}, waves, HEALTH_MS, halt_after, ordered)

    def begin(self, order: Order) -> int:
        with self.desk.store.write() as session:
            row, _ = orders.begin(session, order, self.now_ms)
            return row.id

    def step(self, times: int = 1, duty: Rollouts | None = None) -> None:
        for _ in range(times):
            self.steps += 1
            assert self.steps < MOST_STEPS, f"it does not end: {self.told()}"
            self.now_ms += STEP_MS
            self.desk.now_ms = self.now_ms
            (duty or self.duty).work()
            self.carry()

    def carry(self) -> None:
        """Bring commands to the devices that are there, and their answers back."""
        with self.desk.store.write() as session:
            taken = commands.take(session, self.now_ms, 100)
        for order in taken:
            device = next(
                each for each in self.devices.values() if order.topic.startswith(each.topics.root + "/")
            )
            if device.is_here:
                self.answers(device, order.topic.rpartition("/")[2], order.command)

    def answers(self, device: Updating, verb: str, command: documents.Command) -> None:
        device.heard.append(verb)
        reply = device.reply(Reply(command.id, ok=True, result=self.does(device, verb, command)))
        self.desk.deliver(device.topics.telemetry, reply, self.now_ms)
        if verb == "ping":
            self.proceeds(device)

    def does(self, device: Updating, verb: str, command: documents.Command) -> dict[str, Value]:
        if verb == "ping":
            said: dict[str, Value] = {"release": device.release, "bundle": device.bundle_sha256}
            return said if device.ends == "says-nothing" else said | {"update": device.update}
        kind = "agent" if verb == "set-release" else "bundle"
        goal = Goal("agent", str(command.arguments["release"])) if kind == "agent" else NEW_BUNDLE
        if device.ends != "hangs":
            self.wishes[device.name] = goal
            device.update = "fetching 0%"
            if device.ends == "says-nothing":
                self.tries(device, goal)
        return {"update": "accepted", "release" if kind == "agent" else "bundle": goal.id}

    def proceeds(self, device: Updating) -> None:
        """Let its updater do one thing more."""
        goal = self.wishes.get(device.name)
        if goal is None or device.ends == "says-nothing":
            return
        if device.ends == "silent" and device.update == "trying":
            self.goes(device)
            return
        if device.update.startswith("fetching") and device.fetches > 0:
            device.fetches -= 1
            device.update = "fetching 41%"
        elif device.update.startswith("fetching"):
            self.tries(device, goal)
        elif device.update == "trying" and device.ends != "stays":
            del self.wishes[device.name]
            device.update = {"commits": f"committed {goal.id[:8]}"}.get(
                device.ends, f"rolled back {goal.id[:8]}: no receipt in 600 s"
            )
            if device.ends != "commits":
                device.release = OLD
                self.restarts(device)

    def tries(self, device: Updating, goal: Goal) -> None:
        if device.ends == "fails":
            device.update = f"failed {goal.id[:8]}: its signature is wrong"
            return
        device.update = "trying"
        if goal.kind == "agent":
            device.release = goal.id
        else:
            device.bundle_sha256 = goal.sha256
        self.restarts(device)

    def told(self) -> RolloutReport:
        with self.desk.store.read() as session:
            row = orders.find(session, "acme", "cams")
            assert row is not None
            return report.report(session, row, self.now_ms)

    def halt(self) -> None:
        with self._ordered() as (_, row):
            orders.halt(row, self.now_ms)

    def resume(self) -> None:
        with self._ordered() as (session, row):
            orders.resume(session, row, self.now_ms)

    def retry(self, device: str) -> None:
        with self._ordered() as (session, row):
            orders.retry(session, row, device, self.now_ms)

    @contextmanager
    def _ordered(self) -> Iterator[tuple[Session, RolloutRow]]:
        with self.desk.store.write() as session:
            row = orders.find(session, "acme", "cams")
            assert row is not None
            yield session, row

    def asked(self, device: str) -> int:
        """Count how often a device was asked to change."""
        return sum(verb != "ping" for verb in self.devices[device].heard)

    def refuses(self, device: Updating, detail: str) -> None:
        """Let a device refuse the first thing that it is asked."""
        self.duty.work()
        with self.desk.store.write() as session:
            (taken,) = commands.take(session, self.now_ms, 10)
        refusal = device.reply(Reply(taken.command.id, ok=False, detail=detail))
        self.desk.deliver(device.topics.telemetry, refusal, self.now_ms)

    def states(self) -> dict[str, str]:
        return {each.device.rpartition("/")[2]: each.state for each in self.told().devices}

    def until(self, *wanted: str, most: int = 400) -> None:
        """Step until the rollout is in one of these states, or nothing more happens."""
        for _ in range(most):
            if self.told().state in wanted:
                return
            self.step()
        raise AssertionError(f"still {self.told()}")


def fleet_of(store: Store, bundle: Bundle, **ends: str) -> Grounds:
    """Make a fleet; each device by its name and how its update ends, or `away`."""
    devices = {
        name: Updating(
            bundle, name, key_id=7, ends=end.removeprefix("away-"), is_here=not end.startswith("away")
        )
        for name, end in ends.items()
    }
    return Grounds(SealedDesk(store, bundle), devices)


Make = Callable[..., Grounds]
