"""The governor and the simple policy, on one reel under one budget: which packets go out, and when.

reel --> segments --> composer --> what may go goes, the rest waits (governor) or is dropped (simple)
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise

import numpy as np

from edge.allowance import Limits, Purpose, Standing
from edge.composer import Composer
from edge.governor import Governor
from edge.menu import Menu, Plan
from mirage.bench.governor.reel import Reel, Scene
from wire.packet import Packet, layer_label
from wire.segment import Codec, Segment

CONNECTION_BYTES = 1400  # CONNECT, SUBSCRIBE, a signed birth of one camera, a state
STANDING = Standing(CONNECTION_BYTES)
RECORD_BYTES = 60  # telemetry, once a minute
RECORD_S = 60.0
BURST_BYTES = 4096
AROUND_BYTES = 35  # around a packet: header and tag 20, MQTT 11, the receipt for an ack 4


@dataclass(frozen=True, slots=True)
class Sent:
    """One packet as it went out; `at_s` on the reel's clock."""

    scene: Scene
    packet: Packet
    size: int
    at_s: float
    waited_s: float


@dataclass(slots=True)
class Outcome:
    """What a policy did with a reel. `spent` are all bytes by time, connection and records included."""

    packets: list[Sent] = field(default_factory=list)
    dropped: int = 0
    left: int = 0
    spent: list[tuple[float, int]] = field(default_factory=list)
    durations_ms: list[int] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.spent)

    def layers(self) -> dict[str, int]:
        """Count the packets that hold each layer."""
        return dict(Counter(layer_label(layer) for sent in self.packets for layer in sent.packet.layers))

    def switches(self) -> float:
        """Say in which share of packets the layers are others than in the one before, within a scene."""
        pairs = list[tuple[Sent, Sent]]()
        for name in dict.fromkeys(sent.scene.name for sent in self.packets):
            pairs += pairwise(sent for sent in self.packets if sent.scene.name == name)
        return sum(set(a.packet.layers) != set(b.packet.layers) for a, b in pairs) / max(len(pairs), 1)


def overrun(spent: list[tuple[float, int]], bytes_per_s: float, burst_bytes: int) -> float:
    """Say by how many bytes any stretch of time exceeds burst and rate; 0 if none does.

    Independent of the buckets: the most that the sum less the rate has risen from any point on.
    """
    most = balance = 0.0
    last_s = spent[0][0] if spent else 0.0
    for at_s, size in spent:
        balance = max(balance - (at_s - last_s) * bytes_per_s, 0.0) + size
        last_s = at_s
        most = max(most, balance)
    return max(most - burst_bytes, 0.0)


@dataclass(frozen=True, slots=True)
class _Ready:
    scene: Scene
    packet: Packet
    at_s: float


class _Numbers:
    """Sequence numbers that go on only when told."""

    def __init__(self) -> None:
        self.next = 0

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        return self.next


class _Line:
    """The connection: what goes out is admitted first, and a record goes out each minute."""

    def __init__(self, governor: Governor, outcome: Outcome) -> None:
        self._governor = governor
        self._outcome = outcome
        self._record_s = RECORD_S
        self.take(Purpose.CONNECTION, CONNECTION_BYTES, 0.0)

    def take(self, purpose: Purpose, size: int, at_s: float) -> bool:
        self._tell(at_s)
        return self._take(purpose, size, at_s)

    def _tell(self, at_s: float) -> None:
        while self._record_s <= at_s:
            self._take(Purpose.RECORD, RECORD_BYTES, self._record_s)
            self._record_s += RECORD_S

    def _take(self, purpose: Purpose, size: int, at_s: float) -> bool:
        if not self._governor.admits(purpose, size, at_s):
            return False
        self._governor.spent(purpose, size, at_s)
        self._outcome.spent.append((at_s, size))
        return True


def limits(bits_per_s: int) -> Limits:
    """Give a second's limit."""
    return Limits(bits_per_s / 8, BURST_BYTES)


def govern(reel: Reel, codec: Codec, planes: int, bits_per_s: int) -> Outcome:
    """Let the governor choose; what may not go yet waits."""
    outcome, governor = Outcome(), Governor(limits(bits_per_s), STANDING, cameras=reel.cameras)
    line, waiting, now_s = _Line(governor, outcome), list[_Ready](), 0.0

    def choose(camera: str, menu: Menu) -> Plan:
        return governor.plan(camera, menu, now_s)

    composers = [Composer(codec, planes, choose=partial(choose, str(lane))) for lane in range(reel.cameras)]
    for scene, segment in played(reel, governor.segment_ms):
        now_s = (segment.start_ms + segment.duration_ms) / 1000
        outcome.durations_ms.append(segment.duration_ms)
        waiting.append(_Ready(scene, composers[scene.lane].compose(segment), now_s))
        _send(waiting, line, outcome, now_s)
    _send(waiting, line, outcome, now_s + RECORD_S)
    outcome.left = len(waiting)
    return outcome


def simple(reel: Reel, codec: Codec, planes: int, bits_per_s: int) -> Outcome:
    """Send segments as without a budget; drop each that there is no room for."""
    outcome, numbers = Outcome(), [_Numbers() for _ in range(reel.cameras)]
    line = _Line(Governor(limits(bits_per_s), STANDING), outcome)
    composers = [Composer(codec, planes, sequences=each) for each in numbers]
    for scene, segment in played(reel, lambda: 2000):
        now_s = (segment.start_ms + segment.duration_ms) / 1000
        outcome.durations_ms.append(segment.duration_ms)
        tried = copy(composers[scene.lane])  # what is dropped must leave no trace in what it knows
        packet = tried.compose(segment)
        if line.take(Purpose.LIVE, size_of(packet), now_s):
            composers[scene.lane] = tried
            numbers[scene.lane].next += 1
            outcome.packets.append(Sent(scene, packet, size_of(packet), now_s, 0.0))
        else:
            outcome.dropped += 1
    return outcome


def wander(reel: Reel, codec: Codec, planes: int, seed: int) -> Outcome:
    """Send any picture of each menu, as chance will have it, and no budget: what numbers are fitted to."""
    outcome, random = Outcome(), np.random.default_rng(seed)

    def choose(menu: Menu) -> Plan:
        picture = menu.pictures[random.integers(len(menu.pictures))] if menu.pictures else None
        return Plan(menu.parts, picture)

    composers = [Composer(codec, planes, choose=choose) for _ in range(reel.cameras)]
    for scene, segment in played(reel, lambda: 2000):
        packet, now_s = (
            composers[scene.lane].compose(segment),
            (segment.start_ms + segment.duration_ms) / 1000,
        )
        outcome.durations_ms.append(segment.duration_ms)
        outcome.packets.append(Sent(scene, packet, size_of(packet), now_s, 0.0))
    return outcome


def played(reel: Reel, segment_ms: Callable[[], int]) -> Iterator[tuple[Scene, Segment]]:
    """Give the segments of all cameras in the order in which they end; `segment_ms` is asked at scenes."""

    def lane(scenes: Sequence[Scene]) -> Iterator[tuple[Scene, Segment]]:
        for scene in scenes:
            for segment in reel.segments(scene, segment_ms()):
                yield scene, replace(segment, start_ms=scene.start_ms + segment.start_ms)

    lanes = [lane([scene for scene in reel.scenes if scene.lane == at]) for at in range(reel.cameras)]
    heads = [next(each, None) for each in lanes]
    while any(heads):
        ends = [head[1].start_ms + head[1].duration_ms if head else math.inf for head in heads]
        first = ends.index(min(ends))
        head = heads[first]
        if head:
            yield head
        heads[first] = next(lanes[first], None)


def size_of(packet: Packet) -> int:
    """Count what a packet takes on the wire."""
    return len(bytes(packet)) + AROUND_BYTES


def _send(waiting: list[_Ready], line: _Line, outcome: Outcome, now_s: float) -> None:
    while waiting:
        ready, size = waiting[0], size_of(waiting[0].packet)
        if not line.take(Purpose.LIVE, size, now_s):
            return
        outcome.packets.append(Sent(ready.scene, ready.packet, size, now_s, now_s - ready.at_s))
        del waiting[0]
